package dev.loupe.conformance.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/** The rules, read from the specification's own text, which lies in the jar. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class Spec {

    private static final Pattern HEADING = Pattern.compile("## (\\d+ .*)");
    private static final Pattern RULE =
            Pattern.compile("\\| (\\d+\\.\\d+) \\| (MUST|SHOULD|MAY) \\| (.*) \\| (.*) \\|");
    private static final Pattern UNTESTED = Pattern.compile("\\| (\\d+\\.\\d+) \\| ([^|]*) \\|");
    private static final Spec INSTANCE = new Spec(read());

    private final Map<String, Entry> rules = new LinkedHashMap<>();
    private final Map<String, String> untested = new LinkedHashMap<>();
    private final Map<Integer, String> sections = new LinkedHashMap<>();

    /** How binding a rule is. */
    enum Level {
        MUST,
        SHOULD,
        MAY
    }

    /** A rule: its number, how binding it is, what it asks, and why. */
    public record Entry(String id, Level level, String text, String intent) {

        /** The section's number. */
        public int section() {
            return Integer.parseInt(id.substring(0, id.indexOf('.')));
        }

        /** The number within the section. */
        public int number() {
            return Integer.parseInt(id.substring(id.indexOf('.') + 1));
        }
    }

    Spec(String markdown) {
        for (String line : markdown.lines().toList()) {
            Matcher heading = HEADING.matcher(line);
            Matcher rule = RULE.matcher(line);
            Matcher exception = UNTESTED.matcher(line);
            if (heading.matches()) {
                String title = heading.group(1);
                sections.put(Integer.parseInt(title.substring(0, title.indexOf(' '))), title);
            } else if (rule.matches()) {
                Entry entry =
                        new Entry(rule.group(1), Level.valueOf(rule.group(2)), plain(rule.group(3)), rule.group(4));
                if (rules.put(entry.id(), entry) != null) {
                    throw new IllegalStateException("The specification has two rules " + entry.id());
                }
            } else if (exception.matches()) {
                untested.put(exception.group(1), exception.group(2));
            }
        }
    }

    /** The specification of this version. */
    public static Spec get() {
        return INSTANCE;
    }

    /** Every rule, in the order of the text. */
    public List<Entry> rules() {
        return new ArrayList<>(rules.values());
    }

    /** A rule that must exist. */
    public Entry rule(String id) {
        Entry entry = rules.get(id);
        if (entry == null) {
            throw new IllegalArgumentException("There is no rule " + id + " in SPEC.md; it has " + rules.keySet());
        }
        return entry;
    }

    /** Whether there is such a rule. */
    public boolean has(String id) {
        return rules.containsKey(id);
    }

    /** Rules that nothing tests, each with the reason. */
    public Map<String, String> untested() {
        return Map.copyOf(untested);
    }

    /** The heading of a section, its number included. */
    public String section(int number) {
        return sections.getOrDefault(number, Integer.toString(number));
    }

    private static String plain(String markdown) {
        return markdown.replace("`", "");
    }

    private static String read() {
        try (InputStream in = Spec.class.getResourceAsStream("SPEC.md")) {
            if (in == null) {
                throw new IllegalStateException("SPEC.md is missing from the conformance kit's jar");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
