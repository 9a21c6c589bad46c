package dev.loupe.conformance;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.conformance.kit.Session;
import dev.loupe.conformance.report.Causes;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apiguardian.api.API;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** Runs the kit for a backend on the class path without any build tool: behind {@code loupe conformance}. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class ConformanceRunner {

    private ConformanceRunner() {}

    /**
     * What to run.
     *
     * @param backend id of the backend
     * @param device {@code cpu}, {@code cuda:0}
     * @param reportFolder where the report goes
     * @param seed what all random numbers come from
     * @param only rules, or tests or cases below them, separated by commas; everything if empty
     */
    public record Request(String backend, String device, Path reportFolder, long seed, String only) {

        /** Everything, on the CPU, with the usual seed and the report in {@code target}. */
        public static Request of(String backend) {
            return new Request(backend, "cpu", Path.of("target"), 1, "");
        }
    }

    /**
     * How it went.
     *
     * @param passed tests that passed
     * @param failed tests that failed
     * @param deviations tests that failed as a deviations file says they would
     */
    public record Result(long passed, long failed, long deviations) {

        /** Whether the backend conforms. */
        public boolean conforms() {
            return failed == 0 && passed > 0;
        }
    }

    /**
     * Runs the kit.
     *
     * @param out where failures are printed as they happen, and a line for each section
     * @throws IllegalArgumentException if there is no such backend; lists those that there are
     * @throws BackendUnavailableException if it can't use the device; says why
     */
    public static Result run(Request request, PrintWriter out) {
        return run(request, "", out);
    }

    /**
     * The same for a command line tool, whose own line a failure names as the way to see it again.
     *
     * @param command how the tool was called, all but what selects tests and the seed
     */
    public static Result run(Request request, String command, PrintWriter out) {
        BackendProvider provider = NamedBackendConformance.find(request.backend());
        requireDevice(provider, request.device());
        String id = provider.id();
        return run(
                NamedBackendConformance.class,
                request,
                out,
                Map.of(KitSettings.BACKEND, id, KitSettings.COMMAND, command));
    }

    // Where the device isn't there, hundreds of tests would fail, and none would say so first.
    private static void requireDevice(BackendProvider provider, String device) {
        if (!device.equals(BackendOptions.DEFAULT.device())) {
            provider.open(BackendOptions.DEFAULT.withDevice(device)).close();
        }
    }

    private static Result run(Class<?> kit, Request request, PrintWriter out, Map<String, String> more) {
        LauncherDiscoveryRequest discovery = LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClass(kit))
                .configurationParameter(KitSettings.DEVICE, request.device())
                .configurationParameter(
                        KitSettings.REPORT, request.reportFolder().toString())
                .configurationParameter(KitSettings.SEED, Long.toString(request.seed()))
                .configurationParameter(KitSettings.ONLY, request.only())
                .configurationParameters(more)
                .build();
        Printer printer = new Printer(out);
        LauncherFactory.create().execute(discovery, printer);
        Causes.inWords(printer.broken).ifPresent(cause -> out.println("Look first at " + cause));
        out.flush();
        return new Result(printer.passed, printer.failed, printer.deviations);
    }

    /**
     * Runs a kit without any build tool: {@code --kit CLASS} for a class that extends {@link BackendConformanceKit} or
     * {@link ArchitectureConformanceKit}, or {@code --backend ID}; then {@code --device}, {@code --only}, {@code --seed}
     * and {@code --report}, each with a value. Ends the process with 0 if all rules hold, 1 if not, 2 if it was called
     * wrongly.
     */
    public static void main(String[] arguments) {
        PrintWriter out = new PrintWriter(System.out, true, Charset.defaultCharset());
        System.exit(run(arguments, out));
    }

    static int run(String[] arguments, PrintWriter out) {
        Map<String, String> given = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            given.put(arguments[i], arguments[i + 1]);
        }
        List<String> known = List.of("--kit", "--backend", "--device", "--only", "--seed", "--report");
        boolean one = given.containsKey("--kit") != given.containsKey("--backend");
        if (arguments.length % 2 != 0 || !one || !known.containsAll(given.keySet())) {
            out.println("Usage: ConformanceRunner (--kit CLASS | --backend ID) [--device cpu] [--only RULES] [--seed N]"
                    + " [--report DIR], not " + String.join(" ", arguments));
            return 2;
        }
        try {
            Request request = new Request(
                    given.getOrDefault("--backend", ""),
                    given.getOrDefault("--device", given.containsKey("--kit") ? "" : "cpu"),
                    Path.of(given.getOrDefault("--report", "target")),
                    Long.parseLong(given.getOrDefault("--seed", "1")),
                    given.getOrDefault("--only", ""));
            Result result = given.containsKey("--backend")
                    ? run(request, out)
                    : run(Class.forName(given.get("--kit")), request, out, Map.of());
            out.println(result.passed() + " passed, " + result.failed() + " failed, " + result.deviations()
                    + " known deviations; the report is in " + request.reportFolder());
            return result.conforms() ? 0 : 1;
        } catch (ClassNotFoundException e) {
            out.println("There is no class " + e.getMessage() + " on the class path");
        } catch (IllegalArgumentException | BackendUnavailableException e) {
            out.println(e.getMessage());
        }
        return 2;
    }

    /** Counts, and prints what fails. */
    private static final class Printer implements TestExecutionListener {
        private final PrintWriter out;
        private long passed;
        private long failed;
        private long deviations;
        private final List<String> broken = new ArrayList<>();

        Printer(PrintWriter out) {
            this.out = out;
        }

        @Override
        public void executionFinished(TestIdentifier test, TestExecutionResult result) {
            boolean container = test.isContainer();
            switch (result.getStatus()) {
                case SUCCESSFUL -> {
                    if (container
                            && test.getSource().isPresent()
                            && test.getParentId().isPresent()) {
                        out.println(Session.words(test.getDisplayName().replace("()", "")) + ": done");
                        out.flush();
                    }
                    passed += container ? 0 : 1;
                }
                case ABORTED -> deviations++;
                case FAILED -> {
                    failed++;
                    broken.add(test.getDisplayName().replaceFirst(" .*", ""));
                    out.println(test.getDisplayName());
                    result.getThrowable().ifPresent(thrown -> out.println(Session.describe(thrown) + "\n"));
                    out.flush();
                }
            }
        }
    }
}
