package dev.loupe.cli;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A folder that a command will write to, and make if need be. Whether it can is found out before. */
final class OutputFolder implements ITypeConverter<Path> {

    @Override
    public Path convert(String value) {
        Path folder;
        try {
            folder = Path.of(value);
        } catch (InvalidPathException e) {
            throw new TypeConversionException("'" + value + "' is no path: " + e.getReason());
        }
        Path existing = folder.toAbsolutePath();
        while (!Files.exists(existing) && existing.getParent() != null) {
            existing = existing.getParent();
        }
        if (!Files.isDirectory(existing)) {
            throw new TypeConversionException("Can't write to " + value + ": " + existing + " isn't a folder");
        }
        if (!Files.isWritable(existing)) {
            throw new TypeConversionException("Can't write to " + value + ": permission denied in " + existing);
        }
        return folder;
    }
}
