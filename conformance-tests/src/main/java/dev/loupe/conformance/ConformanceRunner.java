package dev.loupe.conformance;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import dev.loupe.conformance.kit.Session;
import java.io.PrintWriter;
import java.nio.file.Path;
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
     */
    public static Result run(Request request, PrintWriter out) {
        String id = NamedBackendConformance.find(request.backend()).id();
        LauncherDiscoveryRequest discovery = LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClass(NamedBackendConformance.class))
                .configurationParameter(KitSettings.BACKEND, id)
                .configurationParameter(KitSettings.DEVICE, request.device())
                .configurationParameter(
                        KitSettings.REPORT, request.reportFolder().toString())
                .configurationParameter(KitSettings.SEED, Long.toString(request.seed()))
                .configurationParameter(KitSettings.ONLY, request.only())
                .build();
        Printer printer = new Printer(out);
        LauncherFactory.create().execute(discovery, printer);
        out.flush();
        return new Result(printer.passed, printer.failed, printer.deviations);
    }

    /** Counts, and prints what fails. */
    private static final class Printer implements TestExecutionListener {
        private final PrintWriter out;
        private long passed;
        private long failed;
        private long deviations;

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
                    out.println(test.getDisplayName());
                    result.getThrowable().ifPresent(thrown -> out.println(Session.describe(thrown) + "\n"));
                    out.flush();
                }
            }
        }
    }
}
