package dev.loupe.conformance.report;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.loupe.io.IoFailures;
import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/** Writes a report as JSON for machines, and as Markdown and HTML for people. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class ReportWriter {

    private static final String NAME = "conformance-report";

    private final String title;
    private final Map<String, String> facts;
    private final Report report;
    private final boolean complete;

    /** A rule and how it fared. */
    private record Line(Spec.Entry rule, String outcome, int tests, long millis, String remark) {}

    /**
     * A writer.
     *
     * @param title what was tested: {@code backend acme on cpu}
     * @param facts versions and settings, by name
     * @param complete whether everything ran, not just a selection
     */
    public ReportWriter(String title, Map<String, String> facts, Report report, boolean complete) {
        this.title = title;
        this.facts = new LinkedHashMap<>(facts);
        this.report = report;
        this.complete = complete;
        this.facts.put("result", result());
        report.cause().ifPresent(cause -> this.facts.put("look first at", cause));
        this.facts.put("time", String.format(Locale.ROOT, "%.1f s", seconds()));
    }

    /** Writes the three files into a folder, which is made if need be. */
    public void write(Path folder) {
        try {
            Files.createDirectories(folder);
            OutputFile.writeString(folder.resolve(NAME + ".json"), json());
            OutputFile.writeString(folder.resolve(NAME + ".md"), markdown());
            OutputFile.writeString(folder.resolve(NAME + ".html"), html());
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "Can't make the folder " + folder + " for the report: " + IoFailures.reason(e), e);
        }
    }

    private double seconds() {
        return report.outcomes().stream().mapToLong(Report.Outcome::nanos).sum() / 1e9;
    }

    private String result() {
        List<Report.Outcome> outcomes = report.outcomes();
        long bad = outcomes.stream().filter(one -> one.result().isBad()).count();
        long deviations = outcomes.stream()
                .filter(one -> one.result() == Report.Result.DEVIATION)
                .count();
        String scope = complete ? "" : " (a selection of the tests only)";
        if (bad > 0) {
            return bad + " of " + outcomes.size() + " tests failed" + scope;
        }
        return "conforms: " + (outcomes.size() - deviations) + " tests passed"
                + (deviations > 0 ? ", " + deviations + " known deviations" : "") + scope;
    }

    private List<Line> lines() {
        return Spec.get().rules().stream()
                .filter(rule -> !report.of(rule.id()).isEmpty() || untested(rule))
                .map(this::line)
                .toList();
    }

    /** Whether a rule has no test, and belongs to a section that ran. */
    private boolean untested(Spec.Entry rule) {
        return complete
                && Spec.get().untested().containsKey(rule.id())
                && report.outcomes().stream().anyMatch(one -> one.rule().startsWith(rule.section() + "."));
    }

    private Line line(Spec.Entry rule) {
        List<Report.Outcome> tests = report.of(rule.id());
        long millis = tests.stream().mapToLong(Report.Outcome::nanos).sum() / 1_000_000;
        if (tests.isEmpty()) {
            return new Line(rule, "untested", 0, 0, Spec.get().untested().getOrDefault(rule.id(), ""));
        }
        String outcome = "passed";
        for (Report.Result worse :
                List.of(Report.Result.DEVIATION, Report.Result.UNEXPECTED_PASS, Report.Result.FAILED)) {
            if (tests.stream().anyMatch(one -> one.result() == worse)) {
                outcome = worse.name().toLowerCase(Locale.ROOT).replace('_', ' ');
            }
        }
        String remark = tests.stream()
                .filter(one -> one.result() == Report.Result.DEVIATION)
                .map(one -> one.subject() + ": " + one.message())
                .collect(Collectors.joining("; "));
        return new Line(rule, outcome, tests.size(), millis, remark);
    }

    private List<Report.Outcome> failures() {
        return report.failures();
    }

    private String json() throws IOException {
        java.io.StringWriter text = new java.io.StringWriter();
        try (JsonGenerator json = new JsonFactory().createGenerator(text).useDefaultPrettyPrinter()) {
            json.writeStartObject();
            json.writeStringField("title", title);
            for (Map.Entry<String, String> fact : facts.entrySet()) {
                json.writeStringField(fact.getKey(), fact.getValue());
            }
            json.writeArrayFieldStart("rules");
            for (Line line : lines()) {
                json.writeStartObject();
                json.writeStringField("rule", line.rule().id());
                json.writeStringField("level", line.rule().level().name());
                json.writeStringField("text", line.rule().text());
                json.writeStringField("outcome", line.outcome());
                json.writeNumberField("tests", line.tests());
                json.writeNumberField("millis", line.millis());
                json.writeStringField("remark", line.remark());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeArrayFieldStart("failures");
            for (Report.Outcome failure : failures()) {
                json.writeStartObject();
                json.writeStringField("rule", failure.rule());
                json.writeStringField("subject", failure.subject());
                json.writeStringField("message", failure.message());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeArrayFieldStart("errors");
            for (Report.Worst worst : report.worst()) {
                json.writeStartObject();
                json.writeStringField("operation", worst.operation());
                json.writeStringField("type", worst.dtype().label());
                json.writeNumberField("elements", worst.elements());
                json.writeNumberField("fractionOfTolerance", finite(worst.fraction()));
                json.writeNumberField("ulps", finite(worst.ulps()));
                json.writeNumberField("error", finite(worst.error()));
                json.writeStringField("where", worst.where());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        return text + "\n";
    }

    /** JSON has no infinity: the largest number stands for it. */
    private static double finite(double value) {
        return Double.isFinite(value) ? value : Double.MAX_VALUE;
    }

    private String markdown() {
        StringBuilder text = new StringBuilder("# Conformance of " + title + "\n\n");
        facts.forEach((name, value) ->
                text.append("- ").append(name).append(": ").append(value).append('\n'));
        int section = 0;
        for (Line line : lines()) {
            if (line.rule().section() != section) {
                section = line.rule().section();
                text.append("\n## ").append(Spec.get().section(section));
                text.append(
                        "\n\n| rule | level | what | outcome | tests | ms |\n| --- | --- | --- | --- | --- | --- |\n");
            }
            text.append(String.format(
                    Locale.ROOT,
                    "| %s | %s | %s | %s%s | %d | %d |\n",
                    line.rule().id(),
                    line.rule().level(),
                    cell(line.rule().text()),
                    line.outcome(),
                    line.remark().isEmpty() ? "" : ": " + cell(line.remark()),
                    line.tests(),
                    line.millis()));
        }
        text.append(
                "\n## Worst errors\n\nAs a fraction of the tolerance of SPEC.md, and in units in the last place of ");
        text.append("the expected number. Every operation was compared element by element with the reference in ");
        text.append("float64.\n\n| operation | type | elements | of tolerance | ulps | error | where |\n");
        text.append("| --- | --- | --- | --- | --- | --- | --- |\n");
        for (Report.Worst worst : report.worst()) {
            text.append(String.format(
                    Locale.ROOT,
                    "| %s | %s | %d | %.3g | %.3g | %.3g | %s |\n",
                    worst.operation(),
                    worst.dtype(),
                    worst.elements(),
                    worst.fraction(),
                    worst.ulps(),
                    worst.error(),
                    worst.error() == 0 ? "" : cell(worst.where())));
        }
        if (!failures().isEmpty()) {
            text.append("\n## Failures\n\nThose first that explain others.\n");
            failures()
                    .forEach(one -> text.append("\n```\n").append(one.message()).append("\n```\n"));
        }
        return text.toString();
    }

    private static String cell(String text) {
        return text.replace("|", "\\|").replace("\n", " ");
    }

    private String html() {
        StringBuilder page = new StringBuilder("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
        page.append("<title>Conformance of ").append(escape(title)).append("</title>\n<style>\n");
        page.append("body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\n");
        page.append("table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.2rem .5rem;");
        page.append("text-align:left;vertical-align:top}\n.passed{color:#176117}.failed,.unexpected{color:#a01010;");
        page.append("font-weight:bold}.deviation{color:#8a5a00}\npre{white-space:pre-wrap;background:#f6f6f6;");
        page.append("padding:.5rem}\n@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}");
        page.append("pre{background:#222}.passed{color:#7c7}.failed,.unexpected{color:#f77}.deviation{color:#db6}}\n");
        page.append("</style></head><body>\n<h1>Conformance of ")
                .append(escape(title))
                .append("</h1>\n<ul>\n");
        facts.forEach((name, value) -> page.append("<li>")
                .append(escape(name))
                .append(": ")
                .append(escape(value))
                .append("</li>\n"));
        page.append("</ul>\n");
        int section = 0;
        for (Line line : lines()) {
            if (line.rule().section() != section) {
                page.append(section == 0 ? "" : "</table>\n");
                section = line.rule().section();
                page.append("<h2>").append(escape(Spec.get().section(section))).append("</h2>\n<table>");
                row(page, "th", List.of("rule", "level", "what", "outcome", "tests", "ms"), "");
            }
            String outcome = line.outcome() + (line.remark().isEmpty() ? "" : ": " + line.remark());
            List<String> cells = List.of(
                    line.rule().id(),
                    line.rule().level().name(),
                    line.rule().text(),
                    outcome,
                    Integer.toString(line.tests()),
                    Long.toString(line.millis()));
            row(page, "td", cells, line.outcome());
        }
        page.append("</table>\n<h2>Worst errors</h2>\n<table>");
        row(page, "th", List.of("operation", "type", "elements", "of tolerance", "ulps", "error", "where"), "");
        for (Report.Worst worst : report.worst()) {
            List<String> cells = List.of(
                    worst.operation(),
                    worst.dtype().label(),
                    Long.toString(worst.elements()),
                    number(worst.fraction()),
                    number(worst.ulps()),
                    number(worst.error()),
                    worst.error() == 0 ? "" : worst.where());
            row(page, "td", cells, "");
        }
        page.append("</table>\n");
        if (!failures().isEmpty()) {
            page.append("<h2>Failures</h2>\n");
            failures()
                    .forEach(one ->
                            page.append("<pre>").append(escape(one.message())).append("</pre>\n"));
        }
        return page.append("</body></html>\n").toString();
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.3g", value);
    }

    private static void row(StringBuilder page, String tag, List<String> cells, String style) {
        page.append("<tr")
                .append(style.isEmpty() ? "" : " class=\"" + style + "\"")
                .append('>');
        for (String cell : cells) {
            page.append('<').append(tag).append('>').append(escape(cell));
            page.append("</").append(tag).append('>');
        }
        page.append("</tr>\n");
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
