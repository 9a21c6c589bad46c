package dev.loupe.cli;

import dev.loupe.io.IoFailures;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.ZipFile;
import org.jspecify.annotations.Nullable;

/**
 * Jars that were not there when Loupe was built: those of {@code --plugins} and of the environment variable
 * LOUPE_CLASSPATH. While a command runs, discovery sees them as if they were on the class path.
 */
final class PluginJars implements AutoCloseable {

    static final String VARIABLE = "LOUPE_CLASSPATH";

    /** What was named isn't there, or can't be read. */
    static final class MissingException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        MissingException(String message) {
            super(message);
        }
    }

    private final Set<Path> files = new LinkedHashSet<>();
    private @Nullable URLClassLoader loader;
    private @Nullable ClassLoader before;

    /** Adds what an option names: a jar, a folder of classes, or several with the system's separator between them. */
    void add(List<String> paths) {
        paths.forEach(path -> files.addAll(parse(path, "--plugins")));
    }

    /** The files, in order, each once. */
    List<Path> files() {
        Set<Path> all = new LinkedHashSet<>(files);
        String variable = System.getenv(VARIABLE);
        if (variable != null) {
            all.addAll(parse(variable, VARIABLE));
        }
        return List.copyOf(all);
    }

    private static List<Path> parse(String text, String source) {
        List<Path> found = new ArrayList<>();
        for (String part : text.split(File.pathSeparator, -1)) {
            if (!part.isBlank()) {
                found.addAll(expand(part.strip(), source));
            }
        }
        return found;
    }

    /** As Java's class path has it, {@code folder/*} is all jars of a folder. */
    private static List<Path> expand(String part, String source) {
        try {
            boolean all = part.equals("*") || part.endsWith("/*") || part.endsWith(File.separator + "*");
            Path path =
                    Path.of(all ? part.substring(0, part.length() - 1) : part).toAbsolutePath();
            if (!Files.exists(path)) {
                throw new MissingException(source + " names " + part + ", which isn't there");
            }
            if (!all) {
                return List.of(checked(path, source));
            }
            try (Stream<Path> jars = Files.list(path)) {
                return jars.filter(
                                jar -> jar.toString().toLowerCase(Locale.ROOT).endsWith(".jar"))
                        .sorted()
                        .map(jar -> checked(jar, source))
                        .toList();
            }
        } catch (InvalidPathException e) {
            throw new MissingException(source + " names '" + part + "', which is no path: " + e.getReason());
        } catch (IOException e) {
            throw new MissingException(
                    "Can't look into " + part + ", which " + source + " names: " + IoFailures.reason(e));
        }
    }

    /** A folder, or a jar that is one: Java passes over any other file without a word. */
    private static Path checked(Path path, String source) {
        if (Files.isDirectory(path)) {
            return path;
        }
        try (ZipFile jar = new ZipFile(path.toFile())) {
            return path;
        } catch (IOException e) {
            throw new MissingException(
                    source + " names " + path + ", which is no jar that can be read: " + IoFailures.reason(e));
        }
    }

    /** Makes this thread, and those that it begins, find what is in the files. */
    void open() {
        List<Path> all = files();
        if (all.isEmpty()) {
            return;
        }
        Thread thread = Thread.currentThread();
        before = thread.getContextClassLoader();
        loader = new URLClassLoader(all.stream().map(PluginJars::url).toArray(URL[]::new), before);
        thread.setContextClassLoader(loader);
    }

    private static URL url(Path path) {
        try {
            return path.toUri().toURL();
        } catch (MalformedURLException e) {
            throw new IllegalArgumentException("There is no address for " + path, e);
        }
    }

    @Override
    public void close() {
        URLClassLoader opened = loader;
        if (opened == null) {
            return;
        }
        Thread.currentThread().setContextClassLoader(before);
        try {
            opened.close();
        } catch (IOException e) {
            throw new UncheckedIOException("Can't close the jars of " + files(), e);
        }
    }
}
