package dev.loupe.architectures.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.fixtures.Fixtures;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Checkpoints of every family, of which one file was changed: they load, or the message names the file, at once. What a
 * changed {@code tokenizer.json} does stands in {@code BrokenTokenizersTest}.
 */
class MutatedFilesTest {

    private static final PretrainedLoader LOADER = new PretrainedLoader(Map.of("HF_HUB_OFFLINE", "1"));
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final int MUTATIONS = 2000;
    private static final long SEED = 11;

    private static final List<String> FAMILIES = List.of(
            Fixtures.GPT2,
            Fixtures.LLAMA,
            Fixtures.LLAMA_SHARDED_BF16,
            Fixtures.MISTRAL,
            Fixtures.NEOX,
            Fixtures.QWEN2,
            Fixtures.QWEN3,
            Fixtures.GEMMA2,
            Fixtures.GEMMA3,
            Fixtures.LLAMA_SPACES,
            Fixtures.GPT2_ADDED_TOKENS,
            Fixtures.GPT2_OWN_SPECIALS);

    /** Replacements for numbers and for whatever else stands in a file. */
    private static final List<String> ODD = List.of(
            "0",
            "-1",
            "2.5",
            "1e-3",
            "NaN",
            "Infinity",
            "-Infinity",
            "1e9",
            "100000",
            "3000000000",
            "9223372036854775807",
            "18446744073709551618",
            "1e400",
            "null",
            "\"x\"",
            "\"\"",
            "\"../../x\"",
            "[]",
            "{}",
            "[[[]]]",
            "{\"a\": {\"b\": 1}}",
            "true");

    @TempDir
    Path directory;

    /** A family's files; those that can be changed are text, or begin with a header that is. */
    private record Original(String name, Map<String, byte[]> files, List<String> changeable) {}

    private static Original original(String name) throws IOException {
        Map<String, byte[]> files = new TreeMap<>();
        try (Stream<Path> list = Files.list(Fixtures.directory(name))) {
            for (Path file : list.toList()) {
                String last = file.getFileName().toString();
                if (!last.startsWith("golden") && !last.startsWith("gradients")) {
                    files.put(last, Files.readAllBytes(file));
                }
            }
        }
        List<String> changeable = files.keySet().stream()
                .filter(file -> !file.equals("tokenizer.json"))
                .toList();
        return new Original(name, files, changeable);
    }

    private void load(Path place) {
        try (Checkpoint checkpoint = LOADER.open(place.toString(), LoadOptions.noProcessing())) {
            checkpoint.readWeights((name, weight) -> assertThat(name).isNotEmpty());
            checkpoint.tokenizer().ifPresent(tokenizer -> tokenizer.encode("a b"));
        }
    }

    @Test
    void checkpointsWithOneChangedFileLoadOrNameIt() throws IOException {
        Random random = new Random(SEED);
        List<Original> originals = new ArrayList<>();
        for (String family : FAMILIES) {
            Original original = original(family);
            Path place = Files.createDirectory(directory.resolve(family));
            for (Map.Entry<String, byte[]> file : original.files().entrySet()) {
                Files.write(place.resolve(file.getKey()), file.getValue());
            }
            originals.add(original);
        }
        int refused = 0;
        for (int i = 0; i < MUTATIONS; i++) {
            Original original = originals.get(i % originals.size());
            // Half of all changes hit the config, on which everything hangs.
            String file = random.nextBoolean()
                    ? "config.json"
                    : original.changeable()
                            .get(random.nextInt(original.changeable().size()));
            Path place = directory.resolve(original.name());
            Files.write(place.resolve(file), mutated(original.files().get(file), file, random));
            String mutation = "seed " + SEED + ", mutation " + i + " of " + file + " of " + original.name();
            long start = System.nanoTime();
            try {
                load(place);
            } catch (IllegalArgumentException e) {
                refused++;
                assertThat(e.getMessage()).as(mutation).contains(place.toString());
                assertThat(e.getMessage().length()).as(mutation).isLessThan(4000);
            } catch (RuntimeException | Error e) {
                throw new AssertionError(mutation + ": " + e, e);
            }
            assertThat(Duration.ofNanos(System.nanoTime() - start)).as(mutation).isLessThan(Duration.ofSeconds(2));
            Files.write(place.resolve(file), original.files().get(file));
        }
        assertThat(refused).isBetween(MUTATIONS / 4, MUTATIONS - 1);
    }

    private static byte[] mutated(byte[] original, String file, Random random) throws IOException {
        if (file.endsWith(".safetensors")) {
            int header = 8 + (original[0] & 0xff) + ((original[1] & 0xff) << 8) + ((original[2] & 0xff) << 16);
            return bytes(original, header, random);
        }
        boolean json = file.endsWith(".json");
        if (json && random.nextBoolean()) {
            JsonNode tree = MAPPER.readTree(original);
            return structure(tree, random).getBytes(StandardCharsets.UTF_8);
        }
        return bytes(original, original.length, random);
    }

    /** One place of a tree replaced, taken away, renamed or doubled. */
    private static String structure(JsonNode tree, Random random) {
        List<JsonNode> containers = new ArrayList<>();
        collect(tree, containers);
        JsonNode chosen = containers.get(random.nextInt(containers.size()));
        // A word that stands for what JSON's tree can't hold, such as NaN.
        String odd = ODD.get(random.nextInt(ODD.size()));
        String mark = "\"@odd@\"";
        if (chosen instanceof ObjectNode object && !object.isEmpty()) {
            List<String> keys = new ArrayList<>();
            object.fieldNames().forEachRemaining(keys::add);
            String key = keys.get(random.nextInt(keys.size()));
            switch (random.nextInt(4)) {
                case 0 -> object.remove(key);
                case 1 -> object.set(key + "x", object.remove(key));
                case 2 -> object.set(key, object.get(keys.get(random.nextInt(keys.size()))));
                default -> object.put(key, "@odd@");
            }
        } else if (chosen instanceof ArrayNode array && !array.isEmpty()) {
            int at = random.nextInt(array.size());
            switch (random.nextInt(3)) {
                case 0 -> array.remove(at);
                case 1 -> array.add(array.get(at));
                default -> array.set(at, "@odd@");
            }
        } else {
            return odd;
        }
        return tree.toString().replace(mark, odd);
    }

    private static void collect(JsonNode node, List<JsonNode> into) {
        if (node.isContainerNode()) {
            into.add(node);
            node.forEach(child -> collect(child, into));
        }
    }

    /** One of: a number replaced, a byte changed, a stretch cut out, a stretch doubled, all cut off. */
    private static byte[] bytes(byte[] original, int to, Random random) {
        String text = new String(original, StandardCharsets.ISO_8859_1);
        int at = random.nextInt(to);
        int end = Math.min(to, at + 1 + random.nextInt(20));
        String result = switch (random.nextInt(5)) {
            case 0 -> number(text, at, to, ODD.get(random.nextInt(ODD.size())));
            case 1 -> text.substring(0, at) + (char) random.nextInt(256) + text.substring(at + 1);
            case 2 -> text.substring(0, at) + text.substring(end);
            case 3 -> text.substring(0, end) + text.substring(at);
            default -> text.substring(0, at);
        };
        return result.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static String number(String text, int at, int to, String replacement) {
        int begin = at;
        while (begin < to && !Character.isDigit(text.charAt(begin))) {
            begin++;
        }
        int end = begin;
        while (end < to && "0123456789.eE+-".indexOf(text.charAt(end)) >= 0) {
            end++;
        }
        return text.substring(0, begin) + replacement + text.substring(end);
    }
}
