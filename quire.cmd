@echo off
rem Builds the command line when a source is newer than the last build, then runs it. What the build says goes to standard error, and
rem only when it fails. Nothing but the .NET SDK is needed.
setlocal
set "root=%~dp0"
set "program=%root%src\Quire.Cli\bin\Release\net10.0\quire.dll"
set "stamp=%root%src\Quire.Cli\bin\Release\.built"

where dotnet >nul 2>nul
if errorlevel 1 (
    echo error QRE1004: the .NET SDK 10 is not installed; see https://dotnet.microsoft.com/download/dotnet/10.0 1>&2
    exit /b 2
)

powershell -NoProfile -ExecutionPolicy Bypass -Command ^
    "$p = '%program%'; $s = '%stamp%'; if (-not (Test-Path $p) -or -not (Test-Path $s)) { exit 1 };" ^
    "$t = (Get-Item $s).LastWriteTimeUtc;" ^
    "$n = Get-ChildItem '%root%src' -Recurse | Where-Object { $_.FullName -notmatch '\\(bin|obj)(\\|$)' -and $_.LastWriteTimeUtc -gt $t } | Select-Object -First 1;" ^
    "$r = Get-Item '%root%Directory.Build.props','%root%Directory.Packages.props','%root%global.json' | Where-Object { $_.LastWriteTimeUtc -gt $t };" ^
    "if ($n -or $r) { exit 1 } else { exit 0 }"
if errorlevel 1 call :build
if errorlevel 1 exit /b 2

dotnet "%program%" %*
exit /b %errorlevel%

:build
set "log=%TEMP%\quire-build-%RANDOM%%RANDOM%.log"
set "DOTNET_CLI_TELEMETRY_OPTOUT=1"
set "DOTNET_NOLOGO=1"
dotnet build "%root%src\Quire.Cli\Quire.Cli.csproj" -c Release -v quiet -nologo -p:RunAnalyzers=false -p:GenerateDocumentationFile=false >"%log%" 2>&1
if errorlevel 1 (
    type "%log%" 1>&2
    del "%log%"
    echo error QRE1004: the build failed; see above 1>&2
    exit /b 1
)
del "%log%"
type nul >"%stamp%"
exit /b 0
