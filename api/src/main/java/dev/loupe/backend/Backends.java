package dev.loupe.backend;

import dev.loupe.array.Nearest;
import dev.loupe.plugin.Discovered;
import dev.loupe.plugin.Plugins;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.ServiceConfigurationError;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Finds and opens backends. A broken provider never hides the others; one that is asked for by name is never
 * replaced by another.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class Backends {

    private static final System.Logger LOG = System.getLogger(Backends.class.getName());

    /** The backends whose artifacts are known to exist: {@code loupe-backend-} and the id. */
    private static final Set<String> OWN = Set.of("onnx", "pytorch", "reference");

    // None is ever closed: nobody could tell when it is needed for the last time.
    private static final ReferenceCountedCache<List<String>, Backend> ON_DEVICES =
            new ReferenceCountedCache<>(Integer.MAX_VALUE, Backend::close);

    private Backends() {}

    /**
     * A provider that was seen.
     *
     * @param id its id, or its class name if it couldn't tell
     * @param provider the provider; null if it couldn't be loaded
     * @param availability whether its backend can be opened
     */
    public record Seen(String id, @Nullable BackendProvider provider, Availability availability) {}

    /** Every provider on the class path, working or not. */
    public static List<Seen> all() {
        return Plugins.find(BackendProvider.class).stream().map(Backends::look).toList();
    }

    private static Seen look(Discovered<BackendProvider> discovered) {
        BackendProvider provider = discovered.plugin();
        Discovered.Problem problem = discovered.problem();
        if (problem != null || provider == null) {
            return new Seen(discovered.id(), null, unavailable(Objects.requireNonNull(problem)));
        }
        try {
            Availability told = provider.probe();
            if (told == null) {
                throw new IllegalStateException("its probe() answered null");
            }
            return new Seen(discovered.id(), provider, told);
        } catch (ServiceConfigurationError | LinkageError | RuntimeException e) {
            return new Seen(discovered.id(), null, unavailable(Discovered.Problem.broken(e)));
        }
    }

    private static Availability unavailable(Discovered.Problem problem) {
        Availability.Reason reason = switch (problem.kind()) {
            case BROKEN, OLD_SERVICE_FILE -> Availability.Reason.BROKEN_PROVIDER;
            case WRONG_VERSION -> Availability.Reason.WRONG_VERSION;
        };
        return new Availability.Unavailable(reason, problem.detail(), problem.remedy(), problem.cause());
    }

    /**
     * Opens the backend of that id.
     *
     * @throws BackendUnavailableException if there is no such provider, several of them, it doesn't know a setting, or
     *     it can't be opened
     */
    public static Backend open(String id, BackendOptions options) {
        List<Seen> all = all();
        List<Seen> named = all.stream().filter(seen -> seen.id().equals(id)).toList();
        if (named.isEmpty()) {
            List<String> ids = all.stream().map(Seen::id).toList();
            throw new BackendUnavailableException("There is no backend '" + id + "' on the class path."
                    + (ids.isEmpty()
                            ? ""
                            : " The nearest name is '" + Nearest.to(id, ids, 1).get(0) + "'.")
                    + (OWN.contains(id)
                            ? " Add the artifact dev.loupe:loupe-backend-" + id
                            : " Add the artifact that brings it")
                    + " or choose another.\n" + report(all));
        }
        if (named.size() > 1) {
            throw new BackendUnavailableException("Several providers call themselves '" + id + "': "
                    + named.stream().map(Backends::className).toList() + "; take all but one off the class path");
        }
        return open(named.get(0), options);
    }

    /**
     * Opens the available backend with the highest priority for the device.
     *
     * @throws BackendUnavailableException if none is available, or two share the highest priority; the message
     *     contains the report
     */
    public static Backend openDefault(BackendOptions options) {
        List<Seen> all = all();
        List<Seen> available = all.stream()
                .filter(seen -> seen.provider() != null && seen.availability() instanceof Availability.Available)
                .sorted(Comparator.comparingInt((Seen seen) -> -priority(seen, options)))
                .toList();
        if (available.isEmpty()) {
            throw new BackendUnavailableException("No backend is available. Add at least one of the artifacts"
                    + " dev.loupe:loupe-backend-onnx, dev.loupe:loupe-backend-pytorch, dev.loupe:loupe-backend-reference.\n"
                    + report(all));
        }
        if (available.size() > 1 && priority(available.get(0), options) == priority(available.get(1), options)) {
            throw new BackendUnavailableException(
                    "Backends '" + available.get(0).id() + "' and '"
                            + available.get(1).id() + "' have the same priority on " + options.device()
                            + "; name the one to use");
        }
        return open(available.get(0), options);
    }

    private static int priority(Seen seen, BackendOptions options) {
        BackendProvider provider = seen.provider();
        try {
            return provider == null
                    ? Integer.MIN_VALUE
                    : Plugins.ask(provider, "priority", () -> provider.priority(options.device()));
        } catch (IllegalStateException e) {
            // It stays behind the others, and doesn't hide them.
            LOG.log(System.Logger.Level.WARNING, e.getMessage(), e);
            return Integer.MIN_VALUE;
        }
    }

    private static Backend open(Seen seen, BackendOptions options) {
        BackendProvider provider = seen.provider();
        if (provider == null || seen.availability() instanceof Availability.Unavailable) {
            Throwable cause =
                    seen.availability() instanceof Availability.Unavailable unavailable ? unavailable.cause() : null;
            throw new BackendUnavailableException("Backend " + line(seen), cause);
        }
        for (String setting : options.extra().keySet()) {
            Set<String> settings = Plugins.ask(provider, "settings", provider::settings);
            if (!settings.contains(setting)) {
                throw new BackendUnavailableException("The backend '" + seen.id() + "' has no setting '" + setting
                        + "'; it " + (settings.isEmpty() ? "has none" : "has " + new TreeSet<>(settings)));
            }
        }
        try {
            return Plugins.ask(provider, "open", () -> provider.open(options));
        } catch (IllegalStateException e) {
            throw e.getCause() instanceof BackendUnavailableException own
                    ? own
                    : new BackendUnavailableException(String.valueOf(e.getMessage()), e.getCause());
        }
    }

    /**
     * The backend of the same id on another device, opened when it is first asked for and shared by all who move tensors
     * there. It is never closed. Whoever asks for another meanwhile doesn't wait for it to be opened.
     *
     * @param device {@code cpu}, {@code cuda} or {@code cuda:N}
     * @throws BackendUnavailableException if it doesn't run there
     */
    public static Backend onDevice(Backend like, String device) {
        try (ReferenceCountedCache.Lease<Backend> opened = ON_DEVICES.acquire(
                List.of(like.id(), device), key -> open(like.id(), BackendOptions.DEFAULT.withDevice(device)))) {
            return opened.value();
        }
    }

    /** Every provider seen, why it is available or not, and what to do: a line each. */
    public static String report() {
        return report(all());
    }

    private static String report(List<Seen> all) {
        if (all.isEmpty()) {
            return "No backend providers are on the class path. If their jars were joined into one, the files in"
                    + " META-INF/services must be merged, not overwritten: with the Shade plugin's"
                    + " ServicesResourceTransformer, or mergeServiceFiles() of Gradle's Shadow.";
        }
        StringBuilder text = new StringBuilder("Backends on the class path:");
        all.forEach(seen -> text.append("\n  ").append(line(seen)));
        return text.toString();
    }

    private static String line(Seen seen) {
        if (seen.availability() instanceof Availability.Unavailable unavailable) {
            return "'" + seen.id() + "' is not available: " + unavailable.detail() + ". What to do: "
                    + unavailable.remedy();
        }
        Availability.Available available = (Availability.Available) seen.availability();
        return "'" + seen.id() + "' is available: " + available.detail();
    }

    private static String className(Seen seen) {
        BackendProvider provider = seen.provider();
        return provider == null ? seen.id() : provider.getClass().getName();
    }
}
