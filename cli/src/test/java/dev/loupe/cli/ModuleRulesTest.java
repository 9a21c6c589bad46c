package dev.loupe.cli;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.properties.HasModifiers.Predicates.modifier;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import dev.loupe.backend.BackendProvider;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Which module may see which. It stands here because the command line has all of them on its class path. */
class ModuleRulesTest {

    /** Every module, and what it may depend on: its own packages and those of the modules and libraries listed. */
    private enum Module {
        API(
                Stream.concat(
                                Stream.of("io", "array..", "graph..", "plugin", "backend", "tensor"),
                                Stream.of("architecture", "hook", "run", "model"))
                        .map(name -> "dev.loupe." + name)
                        .toArray(String[]::new),
                List.of(),
                List.of()),
        ARCHITECTURES(
                packages("architectures"),
                List.of(API),
                List.of("com.fasterxml.jackson..", "ai.djl.huggingface.tokenizers..", "org.ejml..")),
        BACKEND_REFERENCE(packages("backend.reference"), List.of(API), List.of("org.apache.commons.numbers..")),
        BACKEND_PYTORCH(packages("backend.pytorch"), List.of(API), List.of("ai.djl..", "com.sun.jna..")),
        BACKEND_ONNX(packages("backend.onnx"), List.of(API), List.of("ai.djl..", "ai.onnxruntime..")),
        ANALYSIS(packages("analysis"), List.of(API), List.of("com.fasterxml.jackson..", "org.ejml..")),
        DICTIONARIES(
                packages("dictionaries"), List.of(API, ARCHITECTURES, ANALYSIS), List.of("com.fasterxml.jackson..")),
        HARVEST(
                packages("harvest"),
                List.of(API, DICTIONARIES),
                List.of(
                        "com.fasterxml.jackson..",
                        "org.apache.commons.csv..",
                        "org.apache.parquet..",
                        "org.apache.hadoop.conf..")),
        CONFORMANCE_TESTS(
                packages("conformance"),
                List.of(API),
                List.of("org.junit..", "org.opentest4j..", "org.assertj.core..", "com.fasterxml.jackson..")),
        CLI(
                packages("cli"),
                List.of(
                        API,
                        ARCHITECTURES,
                        BACKEND_REFERENCE,
                        BACKEND_PYTORCH,
                        BACKEND_ONNX,
                        ANALYSIS,
                        DICTIONARIES,
                        HARVEST,
                        CONFORMANCE_TESTS),
                List.of("picocli..", "com.fasterxml.jackson..", "me.tongfei.progressbar..", "jdk.jshell.tool.."));

        final String[] own;
        final String[] allowed;

        Module(String[] own, List<Module> modules, List<String> libraries) {
            this.own = own;
            this.allowed = Stream.of(
                            Stream.of(
                                    "java..",
                                    "javax..",
                                    "org.jspecify.annotations..",
                                    "org.apiguardian.api..",
                                    "com.google.auto.service.."),
                            Arrays.stream(own),
                            modules.stream().flatMap(module -> Arrays.stream(module.own)),
                            libraries.stream())
                    .flatMap(part -> part)
                    .toArray(String[]::new);
        }

        private static String[] packages(String... names) {
            return Arrays.stream(names).map(name -> "dev.loupe." + name + "..").toArray(String[]::new);
        }
    }

    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(location -> !location.contains("/test-classes/"))
            .importPackages("dev.loupe");

    @ParameterizedTest
    @EnumSource
    void aModuleDependsOnNothingButWhatItMay(Module module) {
        classes()
                .that(resideInAnyPackage(module.own))
                .should()
                .onlyDependOnClassesThat(
                        // Arrays of primitives are in no package.
                        resideInAnyPackage(module.allowed).or(resideInAPackage("")))
                .check(CLASSES);
    }

    @Test
    void everyClassBelongsToAModule() {
        String[] known = Arrays.stream(Module.values())
                .flatMap(module -> Arrays.stream(module.own))
                .toArray(String[]::new);
        noClasses()
                .that(not(resideInAPackage("dev.loupe.fixtures..")))
                .should()
                .resideOutsideOfPackages(known)
                .check(CLASSES);
    }

    @Test
    void theInsideOfApiIsSeenByApiAlone() {
        noClasses()
                .that(not(resideInAnyPackage(Module.API.own)))
                .should()
                .dependOnClassesThat(resideInAPackage("dev.loupe.run.."))
                .check(CLASSES);
    }

    /**
     * In its own package, that is; those below it are its inside. What a backend's own package shows beside its provider
     * is meant for users, and says so: the way between Loupe's tensors and an engine's arrays, or into a file for others.
     */
    @Test
    void aBackendShowsNothingButItsProviderAndWhatIsForUsers() {
        classes()
                .that(resideInAPackage("dev.loupe.backend.*"))
                .and(modifier(JavaModifier.PUBLIC))
                .and(not(FOR_USERS))
                .and()
                .areTopLevelClasses()
                .should()
                .beAssignableTo(BackendProvider.class)
                .check(CLASSES);
    }

    private static final DescribedPredicate<JavaClass> FOR_USERS = describe(
            "for users",
            type -> type.tryGetAnnotationOfType(API.class)
                    .filter(api -> api.status() != API.Status.INTERNAL)
                    .isPresent());

    private static final SliceAssignment EACH_PACKAGE = new SliceAssignment() {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass type) {
            return SliceIdentifier.of(type.getPackageName());
        }

        @Override
        public String getDescription() {
            return "each package of every module";
        }
    };

    /** The packages of {@code api}, lowest first: each uses those before it alone. */
    private static final List<String> LAYERS =
            List.of("io", "array", "graph", "plugin", "backend", "tensor", "architecture", "hook", "run", "model");

    @Test
    void aPackageOfTheApiUsesOnlyThoseBelowIt() {
        for (int i = 0; i < LAYERS.size(); i++) {
            String layer = LAYERS.get(i);
            String[] above = LAYERS.subList(i + 1, LAYERS.size()).stream()
                    .map(name -> "dev.loupe." + name)
                    .toArray(String[]::new);
            noClasses()
                    .that(resideInAPackage("dev.loupe." + layer + (layer.equals("backend") ? "" : "..")))
                    .should()
                    .dependOnClassesThat(resideInAnyPackage(above))
                    .allowEmptyShould(true)
                    .check(CLASSES);
        }
    }

    @Test
    void packagesAreFreeOfCycles() {
        slices().assignedFrom(EACH_PACKAGE).should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void everyPackageSaysThatItIsNullMarked() {
        assertThat(CLASSES.getDefaultPackage().getPackage("dev.loupe").getSubpackagesInTree())
                .filteredOn(folder -> !folder.getClasses().isEmpty())
                .isNotEmpty()
                .allSatisfy(folder -> assertThat(folder.isAnnotatedWith(NullMarked.class))
                        .as(folder.getName())
                        .isTrue());
    }

    @Test
    void everyPackageIsReached() {
        assertThat(CLASSES.getDefaultPackage().getPackage("dev.loupe").getSubpackages())
                .extracting(JavaPackage::getRelativeName)
                .contains("io", "array", "graph", "plugin", "backend", "tensor", "architecture", "hook", "run", "model")
                .contains("architectures", "backend", "analysis", "dictionaries", "harvest", "conformance", "cli");
    }
}
