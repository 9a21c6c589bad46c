package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Messages tell users to add artifacts; every one of them has to exist. */
class ArtifactsInMessagesTest {

    /** Those of others are on Maven Central in the versions that Loupe needs: looked up when they were listed here. */
    private static final Set<String> EXIST = Set.of(
            "ai.djl.pytorch:pytorch-engine",
            "ai.djl.pytorch:pytorch-jni",
            "ai.djl.pytorch:pytorch-native-cpu",
            "com.microsoft.onnxruntime:onnxruntime",
            "com.microsoft.onnxruntime:onnxruntime_gpu");

    private static final Pattern ARTIFACT =
            Pattern.compile("\\b((?:ai\\.djl|com\\.microsoft)[.a-z]*|dev\\.loupe):([a-z][a-z0-9_-]+)");

    private static final Pattern BARE = Pattern.compile("\\bpytorch-native-[a-z0-9]+");

    @Test
    void everyArtifactThatIsNamedExists() throws IOException {
        Set<String> named = new TreeSet<>();
        Set<String> unknown = new TreeSet<>();
        for (Path file : texts()) {
            String text = Files.readString(file);
            Matcher artifact = ARTIFACT.matcher(text);
            while (artifact.find()) {
                named.add(artifact.group());
                boolean exists = artifact.group(1).equals("dev.loupe")
                        ? Files.isDirectory(
                                Path.of("..").resolve(artifact.group(2).replaceFirst("^loupe-", "")))
                        : EXIST.contains(artifact.group());
                // One that ends in a hyphen is completed by the id of one of our backends.
                if (!exists && !artifact.group().endsWith("-")) {
                    unknown.add(file + ": " + artifact.group());
                }
            }
            Matcher bare = BARE.matcher(text);
            while (bare.find()) {
                if (!bare.group().equals("pytorch-native-cpu")) {
                    unknown.add(file + ": " + bare.group());
                }
            }
        }
        assertThat(unknown).isEmpty();
        assertThat(named).containsAll(EXIST);
    }

    private static List<Path> texts() throws IOException {
        List<Path> texts = new ArrayList<>();
        try (Stream<Path> modules = Files.list(Path.of(".."))) {
            for (Path module : modules.filter(path -> Files.exists(path.resolve("pom.xml")))
                    .toList()) {
                Path sources = module.resolve("src/main/java");
                if (Files.isDirectory(sources)) {
                    try (Stream<Path> files = Files.walk(sources)) {
                        files.filter(file -> file.toString().endsWith(".java")).forEach(texts::add);
                    }
                }
            }
        }
        texts.add(Path.of("../docs/gpu.md"));
        texts.add(Path.of("../README.md"));
        return texts;
    }
}
