package dev.loupe.examples.mpt;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.tngtech.archunit.core.importer.ClassFileImporter;
import dev.loupe.architecture.CheckpointConfig;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MptArchitectureTest {

    @Test
    void itIsWrittenAgainstPublicPartsAlone() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(
                        "dev.loupe.examples.mpt",
                        "dev.loupe.array",
                        "dev.loupe.graph",
                        "dev.loupe.architecture",
                        "dev.loupe.architectures.decoder",
                        "java..",
                        "com.google.auto.service",
                        "org.jspecify.annotations",
                        "")
                .check(new ClassFileImporter()
                        .withImportOption(location -> !location.contains("/test-classes/"))
                        .importPackages("dev.loupe.examples.mpt"));
    }

    // The paper's own numbers for 8 heads; for 12, those of its appendix: 16's every other one, then the rest.
    @Test
    void slopesAreThoseOfThePaper() {
        assertThat(new AlibiBias(8).slopes(8))
                .containsExactly(0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625);
        double[] twelve = new AlibiBias(8).slopes(12);
        assertThat(twelve[0]).isEqualTo(0.5);
        assertThat(twelve[7]).isEqualTo(0.00390625);
        assertThat(twelve[8]).isEqualTo(Math.pow(2, -0.5));
        assertThat(twelve[11]).isEqualTo(Math.pow(2, -3.5));
        assertThat(new AlibiBias(8).slopes(1)).containsExactly(0.00390625);
    }

    @Test
    void whatItDoesNotFollowIsAnErrorThatNamesTheKey() {
        for (String key : new String[] {"clip_qkv", "qk_ln", "alibi"}) {
            Object value = key.equals("clip_qkv") ? 6 : key.equals("qk_ln");
            CheckpointConfig config = new CheckpointConfig(
                    "config.json",
                    Map.of(
                            "d_model",
                            24,
                            "n_heads",
                            3,
                            "n_layers",
                            1,
                            "vocab_size",
                            9,
                            "attn_config",
                            Map.of(key, value)));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new MptArchitecture().configure(config))
                    .withMessageContaining(key);
        }
    }
}
