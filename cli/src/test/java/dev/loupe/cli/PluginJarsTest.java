package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Backends that lie in jars of others. */
class PluginJarsTest {

    @TempDir
    private static Path folder;

    private static Path jar;

    @BeforeAll
    static void compile() throws IOException {
        Path source = Files.writeString(folder.resolve("AcmeProvider.java"), """
                package acme;
                import dev.loupe.backend.*;
                public class AcmeProvider implements BackendProvider {
                    public String id() { return "acme"; }
                    public int spiVersion() { return dev.loupe.plugin.SpiVersion.CURRENT; }
                    public int priority(String device) { return 1; }
                    public Availability probe() {
                        return new Availability.Unavailable(
                                Availability.Reason.MISSING_LIBRARY, "acme lacks its card", "buy one", null);
                    }
                    public Backend open(BackendOptions options) { throw new IllegalStateException(); }
                }
                """);
        int failed = ToolProvider.getSystemJavaCompiler()
                .run(
                        null,
                        null,
                        null,
                        "-proc:none",
                        "-cp",
                        System.getProperty("java.class.path"),
                        "-d",
                        folder.toString(),
                        source.toString());
        assertThat(failed).isZero();
        Path jars = Files.createDirectory(folder.resolve("jars"));
        jar = jars.resolve("acme.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
            out.putNextEntry(new JarEntry("acme/AcmeProvider.class"));
            out.write(Files.readAllBytes(folder.resolve("acme/AcmeProvider.class")));
            out.closeEntry();
            out.putNextEntry(new JarEntry("META-INF/services/dev.loupe.backend.BackendProvider"));
            out.write("acme.AcmeProvider\n".getBytes(StandardCharsets.UTF_8));
            out.closeEntry();
        }
    }

    @Test
    void everyCommandSeesABackendInAJar() {
        assertThat(Cli.run("backends").out()).doesNotContain("acme");
        assertThat(Cli.run("backends", "--plugins", jar.toString()).out()).contains("'acme'", "lacks its card");
        assertThat(Cli.run("--plugins", jar.toString(), "backends").out()).contains("'acme'");
        assertThat(Cli.run("lens", "a", "--backend", "acme", "--plugins", jar.toString())
                        .err())
                .contains("lacks its card", "buy one");
        assertThat(Cli.run(
                                "conformance",
                                "--backend",
                                "acme",
                                "--plugins",
                                jar.toString(),
                                "--report",
                                folder.toString())
                        .err())
                .doesNotContain("There is no backend");
        assertThat(Cli.run("backends").out()).as("afterwards").doesNotContain("acme");
    }

    @Test
    void allJarsOfAFolderAreTakenWithAStar() {
        Cli cli = Cli.run("classpath", "--plugins", jar.getParent() + "/*");
        assertThat(List.of(cli.out().strip().split(File.pathSeparator, -1)))
                .contains(jar.toString())
                .hasSizeGreaterThan(10);
    }

    @Test
    void aFileThatIsNoJarIsTold() throws IOException {
        Path text = Files.writeString(folder.resolve("text.jar"), "no jar");
        Cli cli = Cli.run("backends", "--plugins", text.toString());
        assertThat(cli.exitCode()).isEqualTo(2);
        assertThat(cli.err()).contains(text.toString(), "no jar that can be read");
    }

    @Test
    void aMissingClassIsOneLineAndItsStackTraceIsAskedFor() throws IOException {
        Path broken = folder.resolve("broken.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(broken))) {
            for (String kind : List.of("architecture.ArchitectureProvider", "backend.BackendProvider")) {
                out.putNextEntry(new JarEntry("META-INF/services/dev.loupe." + kind));
                out.write("acme.Gone\n".getBytes(StandardCharsets.UTF_8));
                out.closeEntry();
            }
        }
        String[] command = {"logits", "a", "--backend", "reference", "--plugins", broken.toString()};
        Cli cli = Cli.run(command);
        assertThat(cli.exitCode()).as(cli.err()).isZero();
        assertThat(cli.err().lines())
                .singleElement(STRING)
                .startsWith("loupe: Architecture 'acme.Gone' can't be used: a service file lists it");
        List<String> asked = new ArrayList<>(List.of(command));
        asked.add("--stacktrace");
        assertThat(Cli.run(asked.toArray(new String[0])).err()).contains("acme.Gone", "\tat ");
    }

    @Test
    void aJarThatIsntThereIsTold() {
        Cli cli = Cli.run("backends", "--plugins", folder.resolve("none.jar").toString());
        assertThat(cli.exitCode()).isEqualTo(2);
        assertThat(cli.err()).contains("none.jar", "isn't there");
    }
}
