@echo off
rem The loupe command, straight from the sources: builds them when they have changed, then runs.
setlocal EnableExtensions DisableDelayedExpansion

set "LOUPE_HOME=%~dp0"
set "LOUPE_OUT=%LOUPE_HOME%cli\target\quick"
set "LOUPE_JAVA=java"
if defined JAVA_HOME set "LOUPE_JAVA=%JAVA_HOME%\bin\java.exe"

rem PowerShell knows what this language doesn't: which of two files is newer, and how to look into arguments that have
rem quotation marks in them. It finds them as they stand here, so without quotation marks around them.
set LOUPE_ARGUMENTS=%*
powershell -NoProfile -ExecutionPolicy Bypass -File "%LOUPE_HOME%cli\src\main\windows\prepare.ps1" "%LOUPE_HOME%." "%LOUPE_OUT%" "%LOUPE_JAVA%"
set "LOUPE_CODE=%ERRORLEVEL%"
set "LOUPE_OPTIONS=loupe-args"
if "%LOUPE_CODE%"=="2" set "LOUPE_OPTIONS=loupe-short"
if not "%LOUPE_CODE%"=="0" if not "%LOUPE_CODE%"=="2" exit /b 1

rem libtorch's threads would spin while they wait, which makes a run many times slower beside other programs.
if not defined OMP_WAIT_POLICY set "OMP_WAIT_POLICY=PASSIVE"
"%LOUPE_JAVA%" "@%LOUPE_OUT%\%LOUPE_OPTIONS%" %LOUPE_JAVA_OPTS% dev.loupe.cli.Main %*
exit /b %ERRORLEVEL%
