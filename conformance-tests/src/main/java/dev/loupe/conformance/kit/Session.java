package dev.loupe.conformance.kit;

import dev.loupe.conformance.report.Causes;
import dev.loupe.conformance.report.Report;
import dev.loupe.conformance.report.Spec;
import dev.loupe.plugin.SpiVersion;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URI;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.opentest4j.AssertionFailedError;
import org.opentest4j.TestAbortedException;

/**
 * One run of a kit: turns rules into tests, runs them, holds what comes out against the known deviations, and puts it
 * into the report.
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Session {

    private final Reproduce reproduce;
    private final long seed;
    private final TestSelection selection;
    private final Deviations deviations;
    private final Report report;

    /** Knows the line that runs some tests again. */
    @FunctionalInterface
    public interface Reproduce {
        /** The line. */
        String line(String only, long seed);
    }

    /**
     * A run.
     *
     * @param reproduce the line that runs some tests again
     */
    public Session(Reproduce reproduce, long seed, TestSelection selection, Deviations deviations, Report report) {
        this.reproduce = reproduce;
        this.seed = seed;
        this.selection = selection;
        this.deviations = deviations;
        this.report = report;
    }

    public long seed() {
        return seed;
    }

    public TestSelection selection() {
        return selection;
    }

    public Report report() {
        return report;
    }

    /** Versions and settings, for the report. */
    public Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        String version = Session.class.getPackage().getImplementationVersion();
        facts.put("loupe", version == null ? "unknown (not run from a jar)" : version);
        facts.put("spi version", Integer.toString(SpiVersion.CURRENT));
        facts.put(
                "java",
                Runtime.version() + " on " + System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        facts.put("seed", Long.toString(seed));
        facts.put("tests", selection.toString());
        return facts;
    }

    /** The tests of all methods of some objects that bear a {@link Rule}; what names causes comes first. */
    public Stream<DynamicNode> tests(Object... rules) {
        return Stream.of(rules)
                .flatMap(one -> ruleMethods(one.getClass()).stream().map(method -> Map.entry(one, method)))
                .sorted(Comparator.comparing(one -> rule(one.getValue()), Causes.first()))
                .flatMap(one -> tests(one.getKey(), one.getValue()));
    }

    /** The methods of a class that test rules, those first that name causes. */
    public static List<Method> ruleMethods(Class<?> type) {
        List<Method> methods = new ArrayList<>();
        for (Method method : type.getDeclaredMethods()) {
            if (method.isAnnotationPresent(Rule.class)) {
                methods.add(method);
            }
        }
        methods.sort(Comparator.comparing(Session::rule, Causes.first()).thenComparing(Method::getName));
        return methods;
    }

    private static Spec.Entry rule(Method method) {
        return Spec.get().rule(method.getAnnotation(Rule.class).value());
    }

    private Stream<DynamicNode> tests(Object rules, Method method) {
        Spec.Entry rule = rule(method);
        if (!selection.selects(rule.id())) {
            return Stream.empty();
        }
        String title = words(method.getName());
        if (method.getParameterCount() == 1) {
            return Stream.of(
                    test(rule, method, title, new Trial(method.getName(), attempt -> call(rules, method, attempt))));
        }
        Stream<?> trials;
        try {
            trials = (Stream<?>) call(rules, method);
        } catch (Exception | LinkageError e) {
            Trial broken = new Trial(method.getName(), attempt -> {
                throw new AssertionError("The tests of this rule can't be set up: " + describe(e), e);
            });
            return Stream.of(test(rule, method, title, broken));
        }
        return trials.map(Trial.class::cast)
                .filter(trial -> selection.selects(rule.id() + "/" + trial.subject()))
                .map(trial -> test(rule, method, title + ": " + trial.subject().replace('/', ' '), trial));
    }

    private static Object call(Object target, Method method, Object... arguments) throws Exception {
        try {
            method.setAccessible(true);
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Exception exception) {
                throw exception;
            }
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw e;
        }
    }

    private DynamicNode test(Spec.Entry rule, Method method, String title, Trial trial) {
        // Where an IDE goes when somebody clicks at the test.
        String parameters = method.getParameterCount() == 0 ? "" : Attempt.class.getName();
        URI source = URI.create(
                "method:" + method.getDeclaringClass().getName() + "#" + method.getName() + "(" + parameters + ")");
        return DynamicTest.dynamicTest(rule.id() + " " + title, source, () -> run(rule, title, trial));
    }

    private void run(Spec.Entry rule, String title, Trial trial) {
        String path = rule.id() + "/" + trial.subject();
        Optional<Deviations.Entry> deviation = deviations.covering(path);
        Attempt attempt = new Attempt(this, path);
        long start = System.nanoTime();
        Throwable failure = null;
        try {
            trial.body().run(attempt);
        } catch (Exception | AssertionError | LinkageError e) {
            failure = e;
        }
        long nanos = System.nanoTime() - start;
        if (failure == null && deviation.isEmpty()) {
            report.add(new Report.Outcome(rule.id(), trial.subject(), title, Report.Result.PASSED, nanos, ""));
        } else if (failure == null) {
            String message = message(
                    rule,
                    attempt,
                    "passes, but " + deviation.get().where() + " lists it as a deviation ("
                            + deviation.get().reason() + "): delete that line");
            report.add(new Report.Outcome(
                    rule.id(), trial.subject(), title, Report.Result.UNEXPECTED_PASS, nanos, message));
            throw new AssertionFailedError(message);
        } else {
            String message = message(rule, attempt, describe(failure));
            Report.Result result = deviation.isEmpty() ? Report.Result.FAILED : Report.Result.DEVIATION;
            String why = deviation.map(Deviations.Entry::reason).orElse(message);
            report.add(new Report.Outcome(rule.id(), trial.subject(), title, result, nanos, why));
            if (deviation.isPresent()) {
                throw new TestAbortedException("Known deviation: " + why + "\n" + message);
            }
            throw new AssertionFailedError(message, failure);
        }
    }

    private String message(Spec.Entry rule, Attempt attempt, String found) {
        return "Rule " + rule.id() + " " + rule.level() + ": " + rule.text()
                + "\n  intent:    " + rule.intent()
                + "\n  tried on:  " + attempt.path().substring(rule.id().length() + 1)
                + "\n  found:     " + found.replace("\n", "\n             ")
                + "\n  seed:      " + seed
                + "\n  reproduce: " + reproduce.line(attempt.reproduce(), seed);
    }

    /** Tests that every known deviation named a test that ran; none if only a selection runs. */
    public Stream<DynamicNode> deviationTests() {
        if (!selection.isEverything()) {
            return Stream.empty();
        }
        return deviations.entries().stream()
                .map(entry -> DynamicTest.dynamicTest("deviation " + entry.path() + " matches a test", () -> {
                    if (!deviations.wasMatched(entry)) {
                        String message = entry.where() + ": the deviation '" + entry.path() + "' (" + entry.reason()
                                + ") matches no test: correct it or delete the line";
                        report.add(
                                new Report.Outcome("", entry.path(), "deviations", Report.Result.FAILED, 0, message));
                        throw new AssertionFailedError(message);
                    }
                }));
    }

    /** What was thrown, in words: an assertion's message, or an exception with its type. */
    public static String describe(Throwable thrown) {
        Throwable cause = thrown.getCause();
        if (thrown instanceof ExecutionException && cause != null) {
            return describe(cause);
        }
        if (thrown instanceof AssertionError && thrown.getMessage() != null) {
            return thrown.getMessage().strip();
        }
        StackTraceElement[] trace = thrown.getStackTrace();
        String where = trace.length == 0 ? "" : " at " + trace[0];
        return "unexpected " + thrown + where;
    }

    /** {@code theIdIsWellFormed} as {@code the id is well formed}. */
    public static String words(String camelCase) {
        return camelCase.replaceAll("([A-Z]|\\d+)", " $1").strip().toLowerCase(Locale.ROOT);
    }
}
