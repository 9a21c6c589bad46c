package dev.loupe.array.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SafetensorsTest {

    @TempDir
    Path directory;

    private static SafetensorsFile parse(String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(json.length).put(json).rewind();
        return SafetensorsFile.of("x.safetensors", bytes);
    }

    private static String tensor(String name, String type, String shape, long begin, long end) {
        return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":[" + begin + ","
                + end + "]}";
    }

    private static HostTensor random(DType dtype, long seed, long... shape) {
        HostTensor tensor = HostTensor.allocate(dtype, Shape.of(shape));
        Random random = new Random(seed);
        for (int i = 0; i < tensor.shape().elements(); i++) {
            tensor.setDouble(i, dtype == DType.BOOL ? random.nextInt(2) : random.nextInt(2000) - 1000);
        }
        return tensor;
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void everyTypeComesBackAsItWasWritten(DType dtype) {
        HostTensor written = random(dtype, 1, 3, 5);
        Path file = directory.resolve("one.safetensors");
        new SafetensorsWriter().add("a tensor", written).write(file);
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            HostTensor tensor = read.read("a tensor");
            assertThat(tensor.dtype()).isEqualTo(dtype);
            assertThat(tensor.shape()).isEqualTo(Shape.of(3, 5));
            assertThat(tensor.data()).isEqualTo(written.data());
        }
    }

    @Test
    void aThreadThatIsInterruptedReadsAllTheSame() throws Exception {
        HostTensor written = random(DType.FLOAT32, 2, 7, 5);
        Path file = directory.resolve("one.safetensors");
        new SafetensorsWriter().add("a tensor", written).write(file);
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            Future<Boolean> still = thread.submit(() -> {
                Thread.currentThread().interrupt();
                try (SafetensorsFile read = SafetensorsFile.open(file)) {
                    assertThat(read.read("a tensor").data()).isEqualTo(written.data());
                }
                return Thread.currentThread().isInterrupted();
            });
            assertThat(still.get()).as("whether it is interrupted still").isTrue();
        } finally {
            thread.shutdownNow();
        }
    }

    @Test
    void aFileWrittenByHandIsRead() {
        // The example of the format's specification: little-endian float32 1.0 and −2.0.
        byte[] json = "{\"w\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}   "
                .getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + 8);
        bytes.put(0, (byte) json.length).position(8).put(json);
        bytes.put(new byte[] {0, 0, (byte) 0x80, 0x3f, 0, 0, 0, (byte) 0xc0}).rewind();
        SafetensorsFile file = SafetensorsFile.of("by hand", bytes);
        assertThat(file.read("w").toFloatArray()).containsExactly(1f, -2f);
        assertThat(file.tensor("w").describe()).isEqualTo("F32 [1, 2]");
    }

    @Test
    void scalarsEmptyTensorsAndAnEmptyFileAreFine() {
        Path file = directory.resolve("x.safetensors");
        new SafetensorsWriter()
                .add("empty", HostTensor.allocate(DType.FLOAT32, Shape.of(0, 3)))
                .add("scalar", HostTensor.of(Shape.SCALAR, 7f))
                .write(file);
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertThat(read.read("scalar").toFloatArray()).containsExactly(7f);
            assertThat(read.read("empty").shape()).isEqualTo(Shape.of(0, 3));
        }
        new SafetensorsWriter().write(file);
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertThat(read.names()).isEmpty();
        }
    }

    @Test
    void namesAndTextsOfAllKindsComeBack() {
        Path file = directory.resolve("x.safetensors");
        String odd = "\"quoted\" \\ back\nnew \u0001 ü 漢 \uD83D\uDE00";
        new SafetensorsWriter()
                .metadata("key " + odd, "value " + odd)
                .add("tensor " + odd, HostTensor.of(Shape.of(1), 1f))
                .write(file);
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertThat(read.names()).containsExactly("tensor " + odd);
            assertThat(read.metadata()).isEqualTo(Map.of("key " + odd, "value " + odd));
        }
    }

    @Test
    void everyTensorIsAlignedAndTheOrderIsKept() {
        Path file = directory.resolve("x.safetensors");
        new SafetensorsWriter()
                .add("mask", HostTensor.of(Shape.of(3), true, false, true))
                .add("second", random(DType.FLOAT32, 1, 3))
                .add("first", random(DType.FLOAT32, 2, 3))
                .add("half", random(DType.FLOAT16, 3, 3))
                .add("ids", random(DType.INT64, 4, 3))
                .write(file);
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertThat(read.names()).containsExactly("ids", "second", "first", "half", "mask");
            for (String name : read.names()) {
                assertThat(read.tensor(name).begin() % read.dtype(name).bytes()).isZero();
            }
        }
    }

    @Test
    void elementsAreConvertedWhileTheyAreCopied() {
        for (DType from : DType.values()) {
            for (DType to : DType.values()) {
                HostTensor stored = random(from, 5, 4, 6);
                Path file = directory.resolve(from + "-" + to + ".safetensors");
                new SafetensorsWriter().add("x", stored).write(file);
                HostTensor target = HostTensor.allocate(to, Shape.of(10));
                try (SafetensorsFile read = SafetensorsFile.open(file)) {
                    read.copy("x", 7, 8, target, 1);
                }
                HostTensor expected = stored.to(to);
                assertThat(target.getDouble(0)).isZero();
                assertThat(target.getDouble(9)).isZero();
                for (int i = 0; i < 8; i++) {
                    assertThat(target.getDouble(1 + i)).as("%s to %s", from, to).isEqualTo(expected.getDouble(7 + i));
                }
            }
        }
    }

    @Test
    void copyingOutsideOfATensorIsRefused() {
        SafetensorsFile file = parse("{" + tensor("x", "F32", "[4]", 0, 16) + "}", 16);
        HostTensor target = HostTensor.allocate(DType.FLOAT32, Shape.of(4));
        assertThatThrownBy(() -> file.copy("x", 1, 4, target, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> file.copy("x", 0, 4, target, 1)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void tensorsBeyondTwoGibibytesAreReachedAndReadAcrossWindows() throws IOException {
        // A file with a hole: 3 GB of nothing, then numbers, so that it takes no room on the disk.
        long skipped = 3_000_000_000L;
        int count = 10_000_000;
        String header = "{" + tensor("hole", "BOOL", "[" + skipped + "]", 0, skipped) + ","
                + tensor("late", "F32", "[" + count + "]", skipped, skipped + 4L * count) + "}";
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        Path path = directory.resolve("large.safetensors");
        // An odd header length makes elements straddle the windows' ends.
        int padding = (8 + json.length) % 2 == 0 ? 1 : 0;
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            ByteBuffer start = ByteBuffer.allocate(8 + json.length + padding).order(ByteOrder.LITTLE_ENDIAN);
            start.putLong(json.length + padding).put(json);
            if (padding == 1) {
                start.put((byte) ' ');
            }
            file.write(start.array());
            ByteBuffer numbers = ByteBuffer.allocate(4 * count).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < count; i++) {
                numbers.putFloat(4 * i, i);
            }
            file.seek(start.capacity() + skipped);
            file.write(numbers.array());
        }
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            float[] late = file.read("late").toFloatArray();
            for (int i = 0; i < count; i++) {
                if (late[i] != i) {
                    assertThat(late[i]).as("element %d", i).isEqualTo(i);
                }
            }
            HostTensor end = HostTensor.allocate(DType.BOOL, Shape.of(2));
            file.copy("hole", skipped - 2, 2, end, 0);
            assertThat(end.toLongArray()).containsExactly(0, 0);
        }
    }

    @Test
    void manyThreadsReadOneFile() throws Exception {
        Path path = directory.resolve("x.safetensors");
        SafetensorsWriter writer = new SafetensorsWriter();
        List<HostTensor> tensors = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            tensors.add(random(DType.FLOAT32, i, 700, 1000));
            writer.add("t" + i, tensors.get(i));
        }
        writer.write(path);
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            List<Future<HostTensor>> results = new ArrayList<>();
            for (int i = 0; i < 32; i++) {
                String name = "t" + i % 8;
                results.add(threads.submit(() -> file.read(name)));
            }
            for (int i = 0; i < 32; i++) {
                assertThat(results.get(i).get().data())
                        .isEqualTo(tensors.get(i % 8).data());
            }
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void whatWasReadStaysWhenTheFileIsClosedAndNothingElseCanBeRead() {
        Path path = directory.resolve("x.safetensors");
        new SafetensorsWriter().add("x", HostTensor.of(Shape.of(2), 1f, 2f)).write(path);
        SafetensorsFile file = SafetensorsFile.open(path);
        HostTensor read = file.read("x");
        file.close();
        file.close();
        assertThat(read.toFloatArray()).containsExactly(1f, 2f);
        assertThatThrownBy(() -> file.read("x"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
    }

    @Test
    void unknownNamesAreAnsweredWithThoseThatExist() {
        SafetensorsFile file = parse("{" + tensor("wte.weight", "F32", "[1]", 0, 4) + "}", 4);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> file.read("wte"))
                .withMessageContaining("x.safetensors has no tensor 'wte'")
                .withMessageContaining("wte.weight");
    }

    @Test
    void typesThatTensorsCannotHaveMatterOnlyWhenTheyAreRead() {
        SafetensorsFile file =
                parse("{" + tensor("mask", "U8", "[4]", 0, 4) + "," + tensor("w", "F32", "[1]", 4, 8) + "}", 4 + 4);
        assertThat(file.read("w").shape()).isEqualTo(Shape.of(1));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> file.read("mask"))
                .withMessageContaining("tensor 'mask' has the data type U8")
                .withMessageContaining("Convert it");
    }

    private static void assertRefused(String header, int dataBytes, String... words) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> parse(header, dataBytes))
                .withMessageStartingWith("x.safetensors")
                .satisfies(e -> assertThat(e.getMessage()).contains(words));
    }

    @Test
    void anUnknownTypeIsRefused() {
        assertRefused("{" + tensor("w", "F31", "[1]", 0, 4) + "}", 4, "'w'", "'F31'", "F32");
    }

    @Test
    void aSizeThatDoesNotFitTypeAndShapeIsRefused() {
        assertRefused("{" + tensor("w", "F32", "[2, 3]", 0, 20) + "}", 20, "'w'", "F32", "[2, 3]", "24 bytes", "20");
        String enormous = "[4611686018427387904, 4611686018427387904]";
        assertRefused("{" + tensor("w", "F32", enormous, 0, 4) + "}", 4, "'w'", "more elements");
    }

    @Test
    void tensorsThatOverlapAreRefused() {
        assertRefused(
                "{" + tensor("a", "F32", "[2]", 0, 8) + "," + tensor("b", "F32", "[2]", 4, 12) + "}",
                12,
                "'b'",
                "overlaps tensor 'a'");
    }

    @Test
    void gapsBetweenAndAfterTensorsAreRefused() {
        assertRefused(
                "{" + tensor("a", "F32", "[1]", 0, 4) + "," + tensor("b", "F32", "[1]", 8, 12) + "}",
                12,
                "'b'",
                "leaves a gap after tensor 'a'");
        assertRefused("{" + tensor("a", "F32", "[1]", 0, 4) + "}", 9, "5 bytes after tensor 'a' belong to no tensor");
    }

    @Test
    void aTensorFarOutsideOfTheFileIsRefused() {
        assertRefused(
                "{" + tensor("a", "F32", "[1]", 0, 4) + "," + tensor("b", "F32", "[1]", 800, 804) + "}",
                8,
                "'b'",
                "out of range");
        assertRefused("{" + tensor("a", "F32", "[1]", 4, 0) + "}", 4, "'a'", "[begin, end]");
        assertRefused("{" + tensor("a", "F32", "[1]", -4, 0) + "}", 4, "'a'", "data_offsets");
    }

    @Test
    void aTensorListedTwiceIsRefused() {
        assertRefused(
                "{" + tensor("a", "F32", "[1]", 0, 4) + "," + tensor("a", "F32", "[1]", 4, 8) + "}",
                8,
                "'a' is listed twice");
    }

    @Test
    void aTruncatedFileIsRefusedWhereverItIsCut() throws IOException {
        Path whole = directory.resolve("whole.safetensors");
        new SafetensorsWriter()
                .add("first", random(DType.FLOAT32, 1, 4))
                .add("last", random(DType.FLOAT32, 2, 4))
                .write(whole);
        byte[] bytes = Files.readAllBytes(whole);
        Path cut = directory.resolve("cut.safetensors");
        for (int length = 0; length < bytes.length; length++) {
            Files.write(cut, Arrays.copyOf(bytes, length));
            assertThatIllegalArgumentException()
                    .as("cut after %d bytes", length)
                    .isThrownBy(() -> SafetensorsFile.open(cut))
                    .withMessageContaining("cut.safetensors")
                    .withMessageContaining("truncated")
                    .withMessageContaining("et it again");
        }
        Files.write(cut, Arrays.copyOf(bytes, bytes.length - 1));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SafetensorsFile.open(cut))
                .withMessageContaining("'last'");
    }

    @Test
    void absurdHeaderLengthsAreRefused() {
        for (long length : new long[] {0, 1, 100, 100_000_001, Long.MAX_VALUE, -1}) {
            ByteBuffer bytes = ByteBuffer.allocate(64).order(ByteOrder.LITTLE_ENDIAN);
            bytes.putLong(0, length);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> SafetensorsFile.of("x.safetensors", bytes))
                    .withMessageContaining(
                            "x.safetensors gives its header a length of " + Long.toUnsignedString(length) + " bytes");
        }
    }

    @Test
    void headersThatAreNotWhatTheyShouldBeAreRefused() {
        assertRefused("<html>", 0, "JSON", "'<'");
        assertRefused("[1, 2]", 0, "not a JSON object");
        assertRefused("{\"a\":1,}", 0, "JSON", "character 7");
        assertRefused("{\"a\":1} x", 0, "expected the end");
        assertRefused("{\"a\":1}", 0, "'a'", "a dtype, a shape and data_offsets");
        assertRefused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "'a'", "whole numbers");
        assertRefused("{\"__metadata__\":{\"format\":1}}", 0, "__metadata__", "'format'");
        assertRefused("{\"a\":\"\\u12", 0, "hexadecimal");
        assertRefused("[".repeat(100_000), 0, "nesting");
        byte[] latin = {2, 0, 0, 0, 0, 0, 0, 0, (byte) 0xe4, (byte) 0xf6};
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SafetensorsFile.of("x.safetensors", ByteBuffer.wrap(latin)))
                .withMessageContaining("not UTF-8");
    }

    @Test
    void randomDamageNeverGivesAnythingButAMessage() throws IOException {
        Path whole = directory.resolve("whole.safetensors");
        new SafetensorsWriter()
                .metadata("format", "pt")
                .add("first", random(DType.FLOAT32, 1, 2, 2))
                .add("last", random(DType.FLOAT16, 2, 4))
                .write(whole);
        byte[] bytes = Files.readAllBytes(whole);
        long seed = 20_240_607;
        Random random = new Random(seed);
        for (int i = 0; i < 20_000; i++) {
            byte[] damaged = bytes.clone();
            for (int j = 0; j <= random.nextInt(3); j++) {
                damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
            }
            try {
                SafetensorsFile file = SafetensorsFile.of("damaged", ByteBuffer.wrap(damaged));
                for (String name : file.names()) {
                    if (file.tensor(name).dtype().isPresent()) {
                        file.read(name);
                    }
                }
            } catch (IllegalArgumentException e) {
                assertThat(e).as("seed %d, round %d", seed, i).hasMessageStartingWith("damaged");
            }
        }
    }

    @Test
    void aMissingFileIsNamed() {
        assertThatThrownBy(() -> SafetensorsFile.open(directory.resolve("nothing.safetensors")))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("There is no file")
                .hasMessageContaining("nothing.safetensors");
    }

    @Test
    void aWriterThatFailsLeavesNothingBehindAndTheOldFileInPlace() throws IOException {
        Path file = directory.resolve("x.safetensors");
        new SafetensorsWriter().add("old", HostTensor.of(Shape.of(1), 1f)).write(file);
        SafetensorsWriter failing = new SafetensorsWriter()
                .add("a", HostTensor.of(Shape.of(1), 1f))
                .add("b", DType.FLOAT32, Shape.of(2), () -> HostTensor.of(Shape.of(3), 1f, 2f, 3f));
        assertThatThrownBy(() -> failing.write(file))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("'b' was announced as float32 [2]");
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files).containsExactly(file);
        }
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertThat(read.names()).containsExactly("old");
        }
        assertThatThrownBy(() -> new SafetensorsWriter().write(directory.resolve("no/such/folder.safetensors")))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("folder.safetensors");
    }

    @Test
    void aNameCannotBeAddedTwiceToAWriter() {
        SafetensorsWriter writer = new SafetensorsWriter().add("a", HostTensor.of(Shape.of(1), 1f));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> writer.add("a", HostTensor.of(Shape.of(1), 1f)))
                .withMessageContaining("'a'");
    }
}
