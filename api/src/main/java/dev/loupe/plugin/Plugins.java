package dev.loupe.plugin;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URL;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Finds plugins. The rules are the same for every kind: a broken plugin is reported and never hides the others; one
 * that was compiled against another version of the interfaces isn't used; an id that two have belongs to neither.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class Plugins {

    private static final Pattern ID = Pattern.compile("[a-z][a-z0-9-]*");

    /** What {@link ServiceLoader} says of a class that a service file lists. */
    private static final Pattern LISTED = Pattern.compile(": Provider (\\S+) (.+)");

    /** The package that the interfaces of plugins once had. */
    private static final String OLD_PACKAGE = "dev.loupe.spi";

    private static final int LONGEST_LISTING = 1000;

    private Plugins() {}

    /** Every plugin of a kind that the thread's class loader knows, in its order, usable or not. */
    public static <P extends Plugin> List<Discovered<P>> find(Class<P> kind) {
        List<Discovered<P>> found = new ArrayList<>();
        Iterator<ServiceLoader.Provider<P>> candidates =
                ServiceLoader.load(kind).stream().iterator();
        while (true) {
            try {
                if (!candidates.hasNext()) {
                    break;
                }
                found.add(look(candidates.next()));
            } catch (ServiceConfigurationError | LinkageError e) {
                // The iterator has moved on: the next call gives the next plugin.
                found.add(unloadable(e));
            }
        }
        found.addAll(oldListings(kind));
        return found;
    }

    /** Those that can be used. */
    public static <P extends Plugin> List<P> usable(List<Discovered<P>> found) {
        return found.stream()
                .map(Discovered::plugin)
                .filter(Objects::nonNull)
                .<P>map(Objects::requireNonNull)
                .toList();
    }

    /** Those that have an id, usable or not. */
    public static <P extends Plugin> List<Discovered<P>> named(String id, List<Discovered<P>> found) {
        return found.stream().filter(plugin -> plugin.id().equals(id)).toList();
    }

    /**
     * What a plugin answers. A failure that isn't meant for users, such as a null pointer, is told as one of the plugin,
     * and so is null where there has to be an answer; an {@link IllegalArgumentException} is the plugin's own message
     * about what it was given, and passes.
     *
     * @param question the method that is called, for the message: {@code weights}
     * @throws IllegalStateException if it fails or answers null; says which plugin, in which method
     */
    @API(status = API.Status.INTERNAL, since = "0.1")
    public static <T> T ask(Plugin plugin, String question, Supplier<? extends @Nullable T> method) {
        T answer;
        try {
            answer = method.get();
        } catch (IllegalArgumentException | UncheckedIOException e) {
            throw e;
        } catch (LinkageError | RuntimeException e) {
            throw new IllegalStateException(failed(plugin, question, String.valueOf(e)), e);
        }
        if (answer == null) {
            throw new IllegalStateException(failed(plugin, question, "it answered null"));
        }
        return answer;
    }

    private static String failed(Plugin plugin, String question, String how) {
        return "The plugin '" + plugin.id() + "' (" + plugin.getClass().getName() + ") failed in " + question + "(): "
                + how + ". What to do: tell its makers, or take it off the class path";
    }

    private static <P extends Plugin> Discovered<P> look(ServiceLoader.Provider<P> candidate) {
        String className = candidate.type().getName();
        String id = className;
        try {
            P plugin = candidate.get();
            String told = plugin.id();
            if (told == null) {
                throw new IllegalStateException("its id is null");
            }
            id = told;
            if (!ID.matcher(id).matches()) {
                throw new IllegalStateException("its id '" + id + "' doesn't match " + ID);
            }
            int version = plugin.spiVersion();
            if (version != SpiVersion.CURRENT) {
                return new Discovered<>(
                        id,
                        className,
                        null,
                        new Discovered.Problem(
                                Discovered.Kind.WRONG_VERSION,
                                "compiled against version " + version + " of the interface; this is version "
                                        + SpiVersion.CURRENT,
                                "use a build of " + className + " made for this version of Loupe",
                                null));
            }
            return Discovered.usable(plugin);
        } catch (ServiceConfigurationError | LinkageError | RuntimeException e) {
            return broken(id, className, e);
        }
    }

    private static <P extends Plugin> Discovered<P> broken(String id, String className, Throwable e) {
        return new Discovered<>(id, className, null, Discovered.Problem.broken(e));
    }

    /** What a service file lists and nothing can be made of. Java names the class in its message alone. */
    private static <P extends Plugin> Discovered<P> unloadable(Throwable failure) {
        String said = String.valueOf(failure.getMessage());
        Matcher listed = LISTED.matcher(said);
        if (!listed.find()) {
            return broken(said, said, failure);
        }
        String className = listed.group(1);
        Discovered.Problem problem = listed.group(2).equals("not found")
                ? new Discovered.Problem(
                        Discovered.Kind.BROKEN,
                        "a service file lists it, and there is no such class",
                        "tell its makers, or take it off the class path",
                        failure)
                : Discovered.Problem.broken(failure);
        return new Discovered<>(className, className, null, problem);
    }

    /** Classes that are listed under the interface's former name, which nothing would load. */
    private static <P extends Plugin> List<Discovered<P>> oldListings(Class<P> kind) {
        String old = "META-INF/services/" + OLD_PACKAGE + "." + kind.getSimpleName();
        ClassLoader loader = Thread.currentThread().getContextClassLoader();
        List<URL> files;
        try {
            files = Collections.list(loader == null ? ClassLoader.getSystemResources(old) : loader.getResources(old));
        } catch (IOException e) {
            return List.of(broken(old, old, e));
        }
        List<Discovered<P>> found = new ArrayList<>();
        for (URL file : files) {
            for (String className : listed(file)) {
                found.add(new Discovered<>(
                        className,
                        className,
                        null,
                        new Discovered.Problem(
                                Discovered.Kind.OLD_SERVICE_FILE,
                                "it is listed in " + file + ", and the interface is " + kind.getName() + " now",
                                "compile it against this version of Loupe, and name the file META-INF/services/"
                                        + kind.getName(),
                                null)));
            }
        }
        return found;
    }

    private static List<String> listed(URL file) {
        try {
            URLConnection connection = file.openConnection();
            connection.setUseCaches(false); // or the jar stays open after its class loader is closed
            try (BufferedReader lines =
                    new BufferedReader(new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8))) {
                List<String> classes = new ArrayList<>();
                for (@Nullable String line = lines.readLine();
                        line != null && classes.size() < LONGEST_LISTING;
                        line = lines.readLine()) {
                    String className = line.replaceFirst("#.*", "").strip();
                    if (!className.isEmpty()) {
                        classes.add(className);
                    }
                }
                return classes;
            }
        } catch (IOException e) {
            return List.of("a class in a file that can't be read (" + e + ")");
        }
    }
}
