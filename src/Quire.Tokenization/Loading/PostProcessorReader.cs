using System.Collections.Generic;
using Quire.Tokenization.PostProcessors;

namespace Quire.Tokenization.Loading;

/// <summary>Reads the <c>post_processor</c> of a <c>tokenizer.json</c>, as far as it concerns single sequences.</summary>
internal static class PostProcessorReader
{
    // Ids go into prompts unread, so they are held to the same bound as the vocabulary's.
    private const int IdMax = VocabularyBuilder.IdMax;

    public static SpecialTokenFrame Read(JsonPart part)
    {
        if (part.IsNull)
            return SpecialTokenFrame.Empty;
        string type = part.TypeName();
        switch (type)
        {
            // Only offsets are concerned.
            case "ByteLevel":
                return SpecialTokenFrame.Empty;
            case "Sequence":
                SpecialTokenFrame frame = SpecialTokenFrame.Empty;
                foreach (JsonPart item in part.Field("processors").Items())
                    frame = frame.Within(Read(item));
                return frame;
            case "TemplateProcessing":
                return ReadTemplate(part);
            case "BertProcessing":
            case "RobertaProcessing":
                return new SpecialTokenFrame([ReadPair(part.Field("cls"))], [ReadPair(part.Field("sep"))]);
            default:
                throw part.Field("type").Error("names a post-processor that is not supported "
                    + "(supported: Sequence, ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing)");
        }
    }

    private static SpecialTokenFrame ReadTemplate(JsonPart part)
    {
        var before = new List<int>();
        var after = new List<int>();
        bool seen = false;
        JsonPart single = part.Field("single");
        foreach (JsonPart item in single.Items())
        {
            JsonPart token = item.Field("SpecialToken");
            if (token.IsNull)
            {
                JsonPart sequence = item.Field("Sequence").Field("id");
                if (seen || sequence.Text() != "A")
                    throw sequence.Error("must be A, once");
                seen = true;
                continue;
            }
            string name = token.Field("id").Text();
            foreach (JsonPart id in part.Field("special_tokens").Field(name).Field("ids").Items())
                (seen ? after : before).Add(id.Integer(0, IdMax));
        }
        if (!seen)
            throw single.Error("must have a Sequence A");
        return new SpecialTokenFrame(before.ToArray(), after.ToArray());
    }

    // ["[CLS]", 101]
    private static int ReadPair(JsonPart pair)
    {
        int? id = null;
        int index = 0;
        foreach (JsonPart item in pair.Items())
        {
            if (index++ == 1)
                id = item.Integer(0, IdMax);
        }
        return id ?? throw pair.Error("must be a token and its id");
    }
}
