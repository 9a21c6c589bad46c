@echo off
rem The loupe command, straight from the sources: builds them when they have changed, then runs.
setlocal EnableExtensions DisableDelayedExpansion

rem Remembered here: %%0 is shifted away below.
set "LOUPE_HOME=%~dp0"
set "LOUPE_OUT=%LOUPE_HOME%cli\target\quick"
set "LOUPE_JAVA=java"
if defined JAVA_HOME set "LOUPE_JAVA=%JAVA_HOME%\bin\java.exe"

rem libtorch is fetched when the backend that needs it is first asked for. To this language an equals sign in an
rem argument separates two.
set "LOUPE_LIBTORCH=later"
set "LOUPE_BEFORE="
:argument
if "%~1"=="" goto :prepare
if "%LOUPE_BEFORE% %~1"=="--backend pytorch" set "LOUPE_LIBTORCH=now"
set "LOUPE_BEFORE=%~1"
shift
goto :argument

rem PowerShell knows what this language doesn't: which of two files is newer.
:prepare
powershell -NoProfile -ExecutionPolicy Bypass -File "%LOUPE_HOME%cli\src\main\windows\prepare.ps1" "%LOUPE_HOME%." "%LOUPE_OUT%" "%LOUPE_JAVA%" "%LOUPE_LIBTORCH%"
if errorlevel 1 exit /b 1

rem libtorch's threads would spin while they wait, which makes a run many times slower beside other programs.
if not defined OMP_WAIT_POLICY set "OMP_WAIT_POLICY=PASSIVE"
"%LOUPE_JAVA%" "@%LOUPE_OUT%\loupe-args" %LOUPE_JAVA_OPTS% dev.loupe.cli.Main %*
exit /b %ERRORLEVEL%
