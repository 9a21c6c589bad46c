package dev.loupe.backend.pytorch;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A libtorch in a folder, as a user may have named it: what it is, read from the files in it and beside it.
 *
 * @param folder where the libraries are: {@code lib} in Python's {@code torch}, or in an unpacked libtorch
 */
record OwnLibtorch(Path folder) {

    private static final Pattern VERSION = Pattern.compile("(\\d+\\.\\d+\\.\\d+)(?:[^+'\"\\s]*)(?:\\+(\\w+))?");
    private static final String CUDA_12_8 = "cu128";

    /** The library's file name on this platform. */
    static String library() {
        return System.mapLibraryName("torch");
    }

    boolean isThere() {
        return Files.isRegularFile(folder.resolve(library()));
    }

    /** {@code 2.7.1}; null if nothing says it. */
    @Nullable
    String version() {
        Matcher told = told();
        return told == null ? null : told.group(1);
    }

    boolean isForCuda() {
        return Files.isRegularFile(folder.resolve(System.mapLibraryName("torch_cuda")));
    }

    /** {@code cpu}, or {@code cu128} and the like. */
    String flavor() {
        if (!isForCuda()) {
            return "cpu";
        }
        Matcher told = told();
        String local = told == null ? null : told.group(2);
        return local != null && local.startsWith("cu") ? local : CUDA_12_8;
    }

    // Python's torch says it in torch/version.py, a libtorch of its own in libtorch/build-version.
    private @Nullable Matcher told() {
        Path above = folder.toAbsolutePath().normalize().getParent();
        if (above == null) {
            return null;
        }
        for (String name : List.of("version.py", "build-version")) {
            Path file = above.resolve(name);
            if (Files.isRegularFile(file)) {
                try {
                    Matcher found = Files.readAllLines(file).stream()
                            .filter(line -> !name.endsWith(".py") || line.startsWith("__version__"))
                            .map(VERSION::matcher)
                            .filter(Matcher::find)
                            .findFirst()
                            .orElse(null);
                    if (found != null) {
                        return found;
                    }
                } catch (IOException e) {
                    throw new UncheckedIOException("Can't read " + file + ", which tells libtorch's version: " + e, e);
                }
            }
        }
        return null;
    }
}
