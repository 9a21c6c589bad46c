package dev.loupe.cli;

import dev.loupe.io.OutputFile;
import java.io.UncheckedIOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A file that a command will write. Whether it can is found out before anything is computed. */
final class OutputPath implements ITypeConverter<Path> {

    @Override
    public Path convert(String value) {
        try {
            Path path = Path.of(value);
            OutputFile.check(path);
            return path;
        } catch (UncheckedIOException e) {
            throw new TypeConversionException(Failures.message(e));
        } catch (InvalidPathException e) {
            throw new TypeConversionException("'" + value + "' is no path: " + e.getReason());
        }
    }
}
