package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Session;
import dev.loupe.conformance.measures.Tolerances;
import dev.loupe.conformance.report.Spec;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The specification and the tests say the same. */
class SpecTest {

    private static final Path SPEC = Path.of("..", "docs", "SPEC.md");
    private static final String BEGIN = "<!-- tolerances: begin (written by the build; see Tolerances.java) -->\n";
    private static final String END = "<!-- tolerances: end -->";

    @Test
    void everyRuleHasATestOrAReasonWhyNot() {
        Map<String, List<String>> tests = tests();
        Map<String, String> untested = Spec.get().untested();
        for (Spec.Entry rule : Spec.get().rules()) {
            boolean tested = tests.containsKey(rule.id());
            assertThat(tested || untested.containsKey(rule.id()))
                    .as("rule %s (%s) has a test, or an entry among those without one", rule.id(), rule.text())
                    .isTrue();
            assertThat(tested && untested.containsKey(rule.id()))
                    .as("rule %s has a test and stands among those without one", rule.id())
                    .isFalse();
        }
    }

    @Test
    void everyTestNamesARuleThatExists() {
        assertThat(tests().keySet()).allMatch(Spec.get()::has);
        assertThat(Spec.get().untested().keySet()).allMatch(Spec.get()::has);
        assertThat(Spec.get().untested().values()).allMatch(reason -> reason.length() > 20);
    }

    @Test
    void rulesAreNumberedWithoutGaps() {
        int section = 0;
        int number = 0;
        for (Spec.Entry rule : Spec.get().rules()) {
            number = rule.section() == section ? number + 1 : 1;
            section = rule.section() == section ? section : section + 1;
            assertThat(rule.id()).isEqualTo(section + "." + number);
            assertThat(rule.intent()).as("the intent of %s", rule.id()).endsWith(".");
        }
        assertThat(section).isEqualTo(11);
    }

    @Test
    void everyClassOfRulesIsRunByAKit() throws IOException {
        for (Class<?> type : ruleClasses()) {
            Stream<String> kits = Stream.of("BackendConformanceKit", "ArchitectureConformanceKit");
            assertThat(kits.map(SpecTest::source))
                    .as("kits that run %s", type.getSimpleName())
                    .anyMatch(source -> source.contains("new " + type.getSimpleName() + "("));
        }
    }

    @Test
    void theSpecificationPrintsTheTableOfTolerances() throws IOException {
        String text = Files.readString(SPEC, StandardCharsets.UTF_8);
        int begin = text.indexOf(BEGIN) + BEGIN.length();
        int end = text.indexOf(END);
        String updated = text.substring(0, begin) + Tolerances.markdown() + text.substring(end);
        if (Boolean.getBoolean("loupe.updateSpec")) {
            Files.writeString(SPEC, updated, StandardCharsets.UTF_8);
        }
        assertThat(text)
                .as("docs/SPEC.md; run this test with -Dloupe.updateSpec=true to write the table")
                .isEqualTo(updated);
    }

    private static Map<String, List<String>> tests() {
        Map<String, List<String>> tests = new TreeMap<>();
        for (Class<?> type : ruleClasses()) {
            for (Method method : Session.ruleMethods(type)) {
                String rule = method.getAnnotation(Rule.class).value();
                tests.computeIfAbsent(rule, key -> new java.util.ArrayList<>()).add(method.getName());
            }
        }
        return tests;
    }

    private static List<Class<?>> ruleClasses() {
        Path sources = sources().resolve("rules");
        try (Stream<Path> files = Files.list(sources)) {
            List<Class<?>> classes = new java.util.ArrayList<>();
            for (Path file : files.sorted().toList()) {
                String name = file.getFileName().toString().replace(".java", "");
                if (name.endsWith("Rules")) {
                    classes.add(Class.forName("dev.loupe.conformance.rules." + name));
                }
            }
            return classes;
        } catch (IOException | ClassNotFoundException e) {
            throw new AssertionError("the classes of rules can't be listed", e);
        }
    }

    private static String source(String type) {
        try {
            return Files.readString(sources().resolve(type + ".java"), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new AssertionError("no source of " + type, e);
        }
    }

    private static Path sources() {
        return Path.of("src", "main", "java", "dev", "loupe", "conformance");
    }
}
