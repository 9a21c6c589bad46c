package dev.loupe.conformance.kit;

import dev.loupe.conformance.report.Report;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.apiguardian.api.API;

/** One test while it runs: gives it random numbers that depend on nothing but the seed, and runs its cases. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Attempt {

    private static final int SHOWN = 3;

    private final Session session;
    private final String path;
    private String reproduce;

    Attempt(Session session, String path) {
        this.session = session;
        this.path = path;
        this.reproduce = path;
    }

    /** What is done with one case. */
    @FunctionalInterface
    public interface CaseBody<C> {
        /** Throws if the rule is broken. */
        void run(C one) throws Exception;
    }

    /** Rule and subject: {@code 3.6/matmul/float32}. */
    public String path() {
        return path;
    }

    /** The test, and the case where one failed: what selects it again. */
    public String reproduce() {
        return reproduce;
    }

    /** Random numbers for this test; the same for the same seed, path and salt. */
    public SplittableRandom random(long salt) {
        return new SplittableRandom(session.seed() * 0x9E3779B97F4A7C15L + path.hashCode() * 31L + salt);
    }

    /** The report's table of worst errors. */
    public Report report() {
        return session.report();
    }

    /**
     * Runs a body for each case that is selected. Every case runs, whatever the others did; the message tells how
     * many failed and describes the first few.
     *
     * @param describe what a case is, for the message
     */
    public <C> void each(List<C> cases, Function<C, String> describe, CaseBody<C> body) {
        List<String> failures = new ArrayList<>();
        Throwable first = null;
        int ran = 0;
        for (int i = 0; i < cases.size(); i++) {
            if (!session.selection().selectsCase(path, i)) {
                continue;
            }
            ran++;
            try {
                body.run(cases.get(i));
            } catch (Exception | AssertionError | LinkageError e) {
                if (first == null) {
                    first = e;
                    reproduce = path + "/" + i;
                }
                failures.add("case " + i + ", " + describe.apply(cases.get(i)) + ": " + Session.describe(e));
            }
        }
        if (first != null) {
            String more = failures.size() > SHOWN ? "\n… and " + (failures.size() - SHOWN) + " more" : "";
            String shown = String.join("\n", failures.subList(0, Math.min(SHOWN, failures.size())));
            throw new AssertionError(failures.size() + " of " + ran + " cases failed\n" + shown + more, first);
        }
    }
}
