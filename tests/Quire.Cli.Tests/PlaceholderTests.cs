namespace Quire.Cli.Tests;

public class PlaceholderTests
{
    [Fact]
    public void The_project_builds() => Assert.True(true);
}
