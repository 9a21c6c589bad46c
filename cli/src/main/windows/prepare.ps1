# Builds Loupe if its sources have changed, and writes what Java needs to know into a file, because a command line of
# Windows may be shorter than the class path. Called by loupe.cmd; exit code 0, 2 for what ends soon, 1 if it can't.
param([string] $Root, [string] $Out, [string] $Java)
$ErrorActionPreference = 'Stop'

function Fail([string] $Message) {
    [Console]::Error.WriteLine("loupe: $Message")
    exit 1
}

$modules = @('api', 'architectures', 'analysis', 'dictionaries', 'harvest', 'backend-reference',
    'backend-pytorch', 'backend-onnx', 'conformance-tests', 'cli')
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

# libtorch is 110 MB, what Parquet needs 70, so both are fetched when they are first asked for, and are there from then
# on. A libtorch of one's own needs none.
$asked = "$env:LOUPE_ARGUMENTS"
$fetchedLibtorch = Join-Path $Out 'loupe-libtorch'
$fetchedParquet = Join-Path $Out 'loupe-parquet'
$libtorch = 'later'
if (Test-Path $fetchedLibtorch) { $libtorch = 'fetched' }
elseif (-not $env:PYTORCH_LIBRARY_PATH -and $asked -match '--backend"?[= ]\s*"?pytorch') { $libtorch = 'now' }
$parquet = 'later'
if (Test-Path $fetchedParquet) { $parquet = 'fetched' }
elseif ($asked -match '--format"?[= ]\s*"?parquet|\.parquet"?(\s|$)') { $parquet = 'now' }

# Is there a build, newer than every source, whose libraries are all still where they were?
function Test-Current {
    if (-not (Test-Path $built) -or -not (Test-Path $classpath)) { return $false }
    # Who waited for another's build may find it done.
    if ($libtorch -eq 'now' -and -not (Test-Path $fetchedLibtorch)) { return $false }
    if ($parquet -eq 'now' -and -not (Test-Path $fetchedParquet)) { return $false }
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
    foreach ($jar in (Get-Content $classpath -Encoding UTF8).Split(';')) {
        if (-not (Test-Path $jar)) { return $false }
    }
    return $true
}

function Build {
    if (-not (Get-Command mvn -ErrorAction SilentlyContinue)) { Fail "building it needs Maven ('mvn'), 3.8.7 or newer" }
    if ((Test-Path $built) -and $libtorch -eq 'now') {
        [Console]::Error.WriteLine("Fetching libtorch for the backend 'pytorch', 110 MB; this is done once ...")
    } elseif ((Test-Path $built) -and $parquet -eq 'now') {
        [Console]::Error.WriteLine('Fetching libraries for Parquet, 70 MB; this is done once ...')
    } elseif (Test-Path $classpath) {
        [Console]::Error.WriteLine('Building Loupe, whose sources have changed ...')
    } else {
        [Console]::Error.WriteLine('Building Loupe for the first time, with up to 100 MB of libraries to fetch; this takes a minute or two ...')
    }
    Remove-Item $built -ErrorAction SilentlyContinue
    [void] (New-Item -ItemType Directory -Force $Out)
    # The time of the start, so that what is edited during the build counts as newer.
    $begun = Join-Path $Out 'loupe-begun'
    Set-Content $begun 'begun'
    Push-Location $Root
    $ErrorActionPreference = 'Continue'
    & mvn -q -B '-Dstyle.color=never' '-Pquick,run' "-Dlibtorch=$libtorch" "-Dparquet=$parquet" '-Dmaven.test.skip=true' -pl cli -am package 2>&1 |
        ForEach-Object { if ("$_".Trim()) { [Console]::Error.WriteLine("$_") } }
    $code = $LASTEXITCODE
    $ErrorActionPreference = 'Stop'
    Pop-Location
    if ($code -ne 0) { Fail 'the build failed' }
    if ($libtorch -ne 'later') { Set-Content $fetchedLibtorch 'fetched' }
    if ($parquet -ne 'later') { Set-Content $fetchedParquet 'fetched' }
    Move-Item -Force $begun $built
}

# A name for a text: of the lock, and of the archive that fits these jars and this Java.
function Get-Name([string] $Text) {
    $hash = [Security.Cryptography.SHA256]::Create().ComputeHash([Text.Encoding]::UTF8.GetBytes($Text))
    return [BitConverter]::ToString($hash, 0, 8).Replace('-', '')
}

if (-not (Test-Current)) {
    # One build at a time; who waited for it finds it done.
    $lock = New-Object Threading.Mutex($false, "Local\loupe-$(Get-Name $Out)")
    # A build that was broken off leaves its lock to the next.
    try { [void] $lock.WaitOne() } catch [Threading.AbandonedMutexException] { }
    try {
        if (-not (Test-Current)) { Build }
    } finally {
        $lock.ReleaseMutex()
    }
}

$jars = @((Get-ChildItem (Join-Path $Out 'loupe-cli-*.jar') | Select-Object -First 1).FullName)
$jars += (Get-Content $classpath -Encoding UTF8).Split(';')
# In Java's files of arguments a backslash begins an escape; Java takes the other slash as well.
$path = ($jars -join ';').Replace('\', '/')
$classes = @('-XX:+UseSerialGC', '-cp', "`"$path`"")
# As in the script "loupe": what starts and ends waits for less compiling.
$arguments = @('-XX:Tier4InvocationThreshold=50000', '-XX:Tier4MinInvocationThreshold=6000',
    '-XX:Tier4CompileThreshold=150000', '-XX:Tier4BackEdgeThreshold=400000')
if ($feature -ge 22) { $arguments += '--enable-native-access=ALL-UNNAMED' }
# Without libtorch nothing asks for GPUs, but the tokenizers do all the same, by way of a library that is unpacked for it.
if (-not (Test-Path $fetchedLibtorch)) { $arguments += '-Dloupe.libtorch=later' }
if (-not (Test-Path $fetchedLibtorch) -and -not $env:PYTORCH_LIBRARY_PATH) { $arguments += '-Djna.noclasspath=true' }

function Write-Arguments([string] $Name, [string[]] $Lines) {
    # Written aside and moved, because another start may be reading it.
    $file = Join-Path $Out $Name
    $part = "$file.$PID"
    # In the system's own encoding, in which Java reads it.
    [IO.File]::WriteAllLines($part, $Lines, [Text.Encoding]::Default)
    if ((Test-Path $file) -and ((Get-Content $file -Raw) -eq (Get-Content $part -Raw))) { Remove-Item $part }
    else { Move-Item -Force $part $file }
}

# Java starts faster with its classes in an archive. It is that of one Java and these jars; Java itself checks both, and
# does without where they don't fit. Where none comes of it an empty file says so.
$listing = ($jars | ForEach-Object { "$_ $((Get-Item $_).Length) $((Get-Item $_).LastWriteTimeUtc.Ticks)" }) -join "`n"
$archive = Join-Path $Out "loupe-$(Get-Name "$identity`n$listing").jsa"
if (-not (Test-Path $archive)) {
    [Console]::Error.WriteLine('Preparing faster starts; this is done once ...')
    Write-Arguments 'loupe-classes' $classes
    $part = "$archive.$PID"
    $ErrorActionPreference = 'Continue'
    $null | & $program -Xshare:off "-XX:DumpLoadedClassList=$part.list" "@$(Join-Path $Out 'loupe-classes')" dev.loupe.cli.Main lens 'The first run' *> $null
    if ($LASTEXITCODE -eq 0) {
        $null | & $program -Xshare:dump "-XX:SharedClassListFile=$part.list" "-XX:SharedArchiveFile=$part" "@$(Join-Path $Out 'loupe-classes')" *> $null
    }
    if (-not (Test-Path $part)) { [void] (New-Item -ItemType File $part) }
    # Those of former builds; one that is in use stays.
    Remove-Item (Join-Path $Out 'loupe-*.jsa') -ErrorAction SilentlyContinue
    Move-Item $part $archive -ErrorAction SilentlyContinue
    Remove-Item $part, "$part.list" -ErrorAction SilentlyContinue
    $ErrorActionPreference = 'Stop'
}
if ((Test-Path $archive) -and (Get-Item $archive).Length -gt 0) {
    $arguments += @("`"-XX:SharedArchiveFile=$($archive.Replace('\', '/'))`"", '-Xlog:disable')
}
Write-Arguments 'loupe-args' ($classes + $arguments)

# One run of a model that Loupe brings is over before better code would pay. The exit code tells which file is for it.
$short = @('-XX:TieredStopAtLevel=1', '-XX:Tier3InvocationThreshold=500', '-XX:Tier3MinInvocationThreshold=300',
    '-XX:Tier3CompileThreshold=3000', '-XX:C1MaxInlineSize=15', '-XX:-UsePerfData')
Write-Arguments 'loupe-short' ($classes + $arguments + $short)
if ($asked -match '^\s*("?(lens|logits|attention|heads|graph|models|backends|architectures|classpath)"?(\s|$)|-|$)' -and
    $asked -notmatch '(^|\s|")(-m|--model|--backend|--plugins)') { exit 2 }
exit 0
