@echo off
rem The loupe command, straight from the sources: builds them when they have changed, then runs.
setlocal EnableExtensions DisableDelayedExpansion

set "LOUPE_OUT=%~dp0cli\target\quick"
set "LOUPE_JAVA=java"
if defined JAVA_HOME set "LOUPE_JAVA=%JAVA_HOME%\bin\java.exe"

rem PowerShell knows what this language doesn't: which of two files is newer.
powershell -NoProfile -ExecutionPolicy Bypass -File "%~dp0cli\src\main\windows\prepare.ps1" "%~dp0." "%LOUPE_OUT%" "%LOUPE_JAVA%"
if errorlevel 1 exit /b 1

rem Java starts twice as fast with its classes in an archive, which it makes at the end of a run. The first run after a
rem build is for that.
set "LOUPE_ARCHIVE=%LOUPE_OUT%\loupe.jsa"
if not exist "%LOUPE_ARCHIVE%" "%LOUPE_JAVA%" -XX:ArchiveClassesAtExit="%LOUPE_ARCHIVE%" -Xlog:disable "@%LOUPE_OUT%\loupe-args" dev.loupe.cli.Main lens "The first run" --html "%LOUPE_OUT%\loupe-first-run.html" <nul >nul 2>nul

"%LOUPE_JAVA%" -XX:SharedArchiveFile="%LOUPE_ARCHIVE%" -Xlog:disable "@%LOUPE_OUT%\loupe-args" %LOUPE_JAVA_OPTS% dev.loupe.cli.Main %*
exit /b %ERRORLEVEL%
