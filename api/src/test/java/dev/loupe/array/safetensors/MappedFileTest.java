package dev.loupe.array.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files where nothing can be mapped. */
class MappedFileTest {

    private static final int SIZE = (16 << 20) + 1234; // more than one window

    @TempDir
    private Path directory;

    private Path file(byte[] content) throws IOException {
        return Files.write(directory.resolve("numbers"), content);
    }

    private static byte[] random() {
        byte[] content = new byte[SIZE];
        new Random(1).nextBytes(content);
        return content;
    }

    @Test
    void aFileThatCannotBeMappedIsRead() throws IOException {
        byte[] content = random();
        MappedFile.Mapper none = (channel, position, length) -> {
            throw new IOException("Operation not supported");
        };
        try (MappedFile bytes = new MappedFile(file(content), none)) {
            for (int at : new int[] {0, 5, SIZE - 7, 1 << 20, SIZE - 1000, 0}) {
                ByteBuffer found = bytes.at(at, 6);
                assertThat(found.remaining()).isEqualTo(6);
                for (int i = 0; i < 6; i++) {
                    assertThat(found.get(i)).as("byte %d", at + i).isEqualTo(content[at + i]);
                }
            }
        }
    }

    @Test
    void oneThatWasCutShortMeanwhileIsNamed() throws IOException {
        Path path = file(random());
        MappedFile.Mapper none = (channel, position, length) -> {
            throw new UnsupportedOperationException();
        };
        try (MappedFile bytes = new MappedFile(path, none)) {
            Files.write(path, new byte[100]);
            assertThatThrownBy(() -> bytes.at(50, 100))
                    .isInstanceOf(IOException.class)
                    .hasMessageContainingAll(path.toString(), "ends at 100", SIZE + " bytes");
        }
    }
}
