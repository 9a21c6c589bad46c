package dev.loupe.examples.loops;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.backend.Backends;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The backend in plain loops stands where a stranger's would. */
class OutsiderTest {

    @Test
    void itIsWrittenAgainstTheApiAlone() {
        JavaClasses own = new ClassFileImporter()
                .withImportOption(location -> !location.contains("/test-classes/"))
                .importPackages("dev.loupe.examples.loops");
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "dev.loupe.examples.loops",
                        "dev.loupe.array",
                        "dev.loupe.graph",
                        "dev.loupe.plugin",
                        "dev.loupe.backend",
                        "java..",
                        "com.google.auto.service",
                        "org.jspecify.annotations",
                        "")
                .check(own);
    }

    @ParameterizedTest
    @ValueSource(strings = {"loops", "compiled-loops"})
    void aModelRunsOnItByName(String id) {
        assertThat(Backends.report()).contains("'" + id + "' is available");
        Tokens tokens;
        try (HookedTransformer reference = load("reference");
                HookedTransformer model = load(id)) {
            tokens = reference.toTokens("The capital of France is");
            try (Tensor expected = reference.forward(tokens);
                    Tensor found = model.forward(tokens)) {
                assertThat(model.backend().id()).isEqualTo(id);
                assertThat(found.argmax(-1).toLongArray())
                        .isEqualTo(expected.argmax(-1).toLongArray());
            }
        }
    }

    private static HookedTransformer load(String backend) {
        return HookedTransformer.fromPretrained(
                "toy-gpt2", LoadOptions.defaults().withBackend(backend));
    }
}
