using System.Threading.Tasks;
using Quire.Tokenization;

namespace Quire.Engine.Tests;

public class GuardedTokensTests
{
    [Fact]
    public async Task Control_tokens_in_messages_are_guarded_unless_the_option_allows_them()
    {
        await using InferenceEngine engine = await TestModels.StartQuillAsync();
        Assert.Same(engine.Tokenizer.ControlTokens, engine.GuardedTokens);
        await using InferenceEngine open = await TestModels.StartQuillAsync(options => options with { AllowControlTokensInMessages = true });
        Assert.Same(ControlTokens.None, open.GuardedTokens);
    }
}
