# Builds Loupe if its sources have changed, and writes what Java needs to know into a file, because a command line of
# Windows may be shorter than the class path. Called by loupe.cmd; exit code 1 if it can't.
param([string] $Root, [string] $Out, [string] $Java)
$ErrorActionPreference = 'Stop'

function Fail([string] $Message) {
    [Console]::Error.WriteLine("loupe: $Message")
    exit 1
}

$modules = @('api', 'architectures', 'analysis', 'dictionaries', 'backend-reference', 'backend-pytorch',
    'backend-onnx', 'conformance-tests', 'cli')
$built = Join-Path $Out 'loupe-built'
$classpath = Join-Path $Out 'classpath'

$command = Get-Command $Java -ErrorAction SilentlyContinue
if (-not $command) { Fail "no Java found (looked for '$Java'): install a JDK, version 17 or newer" }
$program = $command.Source
# Asking Java for its version takes long, so each Java is asked once.
$identity = "$program $((Get-Item $program).Length) $((Get-Item $program).LastWriteTimeUtc.Ticks)"
$answers = Join-Path $Out 'loupe-java'
$known = @()
if (Test-Path $answers) { $known = @(Get-Content $answers) }
if ($known.Count -ge 2 -and $known[0] -eq $identity) {
    $feature = [int] $known[1]
} else {
    # It tells its properties on standard error, which would count as a failure here.
    $ErrorActionPreference = 'Continue'
    $properties = (& $program -XshowSettings:properties -version 2>&1 | Out-String)
    $ErrorActionPreference = 'Stop'
    if ($properties -notmatch 'java\.specification\.version = (\d+)') {
        Fail "no Java found ('$program' doesn't tell its version): install a JDK, version 17 or newer"
    }
    $feature = [int] $Matches[1]
    [void] (New-Item -ItemType Directory -Force $Out)
    Set-Content $answers @($identity, $feature)
}
if ($feature -lt 17) { Fail "Java $feature found ('$program'), 17 or newer needed" }

# Is there a build, newer than every source, whose libraries are all still where they were?
function Test-Current {
    if (-not (Test-Path $built) -or -not (Test-Path $classpath)) { return $false }
    $time = (Get-Item $built).LastWriteTimeUtc
    $sources = @(Join-Path $Root 'pom.xml')
    foreach ($module in $modules) {
        $sources += Join-Path $Root "$module\pom.xml"
        $sources += Join-Path $Root "$module\src\main"
    }
    # Folders count too: theirs is the time at which a file in them was added or removed.
    $newer = @(Get-Item $sources) + @(Get-ChildItem -Recurse $sources) |
        Where-Object { $_.LastWriteTimeUtc -gt $time } | Select-Object -First 1
    if ($newer) { return $false }
    foreach ($jar in (Get-Content $classpath).Split(';')) {
        if (-not (Test-Path $jar)) { return $false }
    }
    return $true
}

if (-not (Test-Current)) {
    if (-not (Get-Command mvn -ErrorAction SilentlyContinue)) { Fail "building it needs Maven ('mvn'), 3.8.7 or newer" }
    [Console]::Error.WriteLine('Building Loupe; this takes a while the first time ...')
    Remove-Item $built, (Join-Path $Out 'loupe.jsa') -ErrorAction SilentlyContinue
    [void] (New-Item -ItemType Directory -Force $Out)
    # The time of the start, so that what is edited during the build counts as newer.
    $begun = Join-Path $Out 'loupe-begun'
    Set-Content $begun 'begun'
    Push-Location $Root
    $ErrorActionPreference = 'Continue'
    & mvn -q -B '-Dstyle.color=never' -Pquick '-Dmaven.test.skip=true' -pl cli -am package 2>&1 |
        ForEach-Object { if ("$_".Trim()) { [Console]::Error.WriteLine("$_") } }
    $code = $LASTEXITCODE
    $ErrorActionPreference = 'Stop'
    Pop-Location
    if ($code -ne 0) { Fail 'the build failed' }
    Move-Item -Force $begun $built
}

# In Java's files of arguments a backslash begins an escape; Java takes the other slash as well.
$jar = (Get-ChildItem (Join-Path $Out 'loupe-cli-*.jar') | Select-Object -First 1).FullName
$path = "$jar;$(Get-Content $classpath)".Replace('\', '/')
$arguments = @('-XX:+UseSerialGC')
if ($feature -ge 22) { $arguments += '--enable-native-access=ALL-UNNAMED' }
$arguments += @('-cp', "`"$path`"")
[IO.File]::WriteAllLines((Join-Path $Out 'loupe-args'), [string[]] $arguments, (New-Object Text.UTF8Encoding $false))
