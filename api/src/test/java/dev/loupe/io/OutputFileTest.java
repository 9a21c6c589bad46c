package dev.loupe.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code OutputFileInAProcessTest} has what ends a process or fills a disk. */
class OutputFileTest {

    @TempDir
    private Path folder;

    private Path precious() throws IOException {
        return Files.writeString(folder.resolve("file"), "precious");
    }

    @Test
    void aFileIsWrittenAndReplaced() throws IOException {
        Path file = folder.resolve("file");
        OutputFile.writeString(file, "first, and longer: ä");
        assertThat(file).hasContent("first, and longer: ä");
        assertThat(OutputFile.write(file, channel -> channel.write(ByteBuffer.wrap(new byte[] {65, 66}))))
                .isEqualTo(2);
        assertThat(file).hasContent("AB");
        assertThat(folder).isDirectoryContaining(file::equals).isDirectoryNotContaining(path -> !path.equals(file));
    }

    @Test
    void aRelativePathLiesInTheWorkingDirectory() {
        Path here = Path.of("").toAbsolutePath();
        Path relative = here.relativize(folder.toAbsolutePath()).resolve("file");
        OutputFile.writeString(relative, "x");
        assertThat(folder.resolve("file")).hasContent("x");
    }

    @Test
    void linksAreFollowedAndStayLinks() throws IOException {
        Path target = precious();
        Path other = Files.createDirectory(folder.resolve("other"));
        Path first = Files.createSymbolicLink(other.resolve("first"), Path.of("../file"));
        Path second = Files.createSymbolicLink(folder.resolve("second"), Path.of("other/first"));
        OutputFile.writeString(second, "new");
        assertThat(target).hasContent("new");
        assertThat(first).isSymbolicLink();
        assertThat(second).isSymbolicLink();
    }

    @Test
    void aLinkToNothingSaysWhereTheFileIsToBe() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("target"));
        OutputFile.writeString(link, "new");
        assertThat(link).isSymbolicLink();
        assertThat(folder.resolve("target")).hasContent("new");
    }

    @Test
    void linksInACircleAreRefused() throws IOException {
        Path a = Files.createSymbolicLink(folder.resolve("a"), Path.of("b"));
        Files.createSymbolicLink(folder.resolve("b"), Path.of("a"));
        assertThatThrownBy(() -> OutputFile.writeString(a, "x"))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessage("Can't write %s: its links lead in a circle", a);
    }

    @Test
    void aFileThatIsReplacedKeepsItsPermissions() throws IOException {
        assumeTrue(Files.getFileStore(folder).supportsFileAttributeView("posix"));
        Path file = precious();
        for (String permissions : new String[] {"rw-------", "rw-rw-rw-", "rwxr-x---"}) {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
            OutputFile.writeString(file, permissions);
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                    .isEqualTo(permissions);
        }
    }

    @Test
    void whatIsBeingWrittenIsNoMoreReadableThanTheFile() throws IOException {
        assumeTrue(Files.getFileStore(folder).supportsFileAttributeView("posix"));
        Path file = precious();
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        OutputFile.write(file, channel -> {
            try (var files = Files.list(folder)) {
                assertThat(files)
                        .hasSize(2)
                        .allSatisfy(
                                path -> assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                                        .isEqualTo("rw-------"));
            }
        });
    }

    @Test
    void aPipeGetsTheBytesAndStaysAPipe() throws Exception {
        Path pipe = folder.resolve("pipe");
        assumeTrue(isDone("mkfifo", pipe.toString()));
        CompletableFuture<String> reader = CompletableFuture.supplyAsync(() -> {
            try {
                return Files.readString(pipe);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        OutputFile.writeString(pipe, "through the pipe");
        assertThat(reader.get(10, TimeUnit.SECONDS)).isEqualTo("through the pipe");
        assertThat(Files.readAttributes(pipe, "isOther")).containsEntry("isOther", true);
        // Nothing would be lost by writing to it.
        OutputFile.creating(pipe).close();
    }

    private static boolean isDone(String... command) throws InterruptedException {
        try {
            return new ProcessBuilder(command).start().waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void aSocketIsRefused() throws IOException {
        Path socket = folder.resolve("socket");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            assertThatThrownBy(() -> OutputFile.writeString(socket, "x")).hasMessageContaining("it is a socket");
        } catch (UnsupportedOperationException e) {
            assumeTrue(false, "no sockets in folders here");
        }
        assertThat(socket).exists();
    }

    @Test
    void aFolderIsRefused() {
        assertThatThrownBy(() -> OutputFile.writeString(folder, "x"))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessage("Can't write %s: it is a folder", folder);
        assertThatThrownBy(() -> OutputFile.check(folder.getRoot())).hasMessageContaining("it is a folder");
    }

    @Test
    void aFolderThatIsMissingOrNoFolderIsNamed() throws IOException {
        Path inNone = folder.resolve("none").resolve("file");
        assertThatThrownBy(() -> OutputFile.check(inNone))
                .hasMessage("Can't write %s: there is no folder %s", inNone, inNone.getParent());
        Path inFile = precious().resolve("file");
        assertThatThrownBy(() -> OutputFile.check(inFile)).hasMessageContaining("isn't a folder");
    }

    @Test
    void checkingChangesNothing() throws IOException {
        Path file = precious();
        OutputFile.check(file);
        OutputFile.check(folder.resolve("new"));
        assertThat(file).hasContent("precious");
        assertThat(folder).isDirectoryNotContaining(path -> !path.equals(file));
    }

    @Test
    void contentThatFailsLeavesTheOldFileAndNothingBesideIt() throws IOException {
        Path file = precious();
        assertThatThrownBy(() -> OutputFile.write(file, channel -> {
                    channel.write(ByteBuffer.wrap(new byte[100]));
                    throw new IllegalStateException("the model ran out of words");
                }))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> OutputFile.write(file, channel -> {
                    channel.write(ByteBuffer.wrap(new byte[100]));
                    throw new IOException("No space left on device");
                }))
                .hasMessage("Can't write %s: No space left on device", file);
        assertThat(file).hasContent("precious");
        assertThat(folder).isDirectoryNotContaining(path -> !path.equals(file));
    }

    @Test
    void anInterruptedThreadIsToldSoAndStaysInterrupted() throws IOException {
        Path file = precious();
        Thread.currentThread().interrupt();
        try {
            assertThatThrownBy(() -> OutputFile.writeString(file, "new"))
                    .hasMessage("Can't write %s: the thread was interrupted", file);
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThat(file).hasContent("precious");
        assertThat(folder).isDirectoryNotContaining(path -> !path.equals(file));
    }

    @Test
    void aFileThatIsThereIsntReplacedUnlessItMayBe() throws IOException {
        Path file = precious();
        assertThatThrownBy(() -> OutputFile.creating(file)).hasMessageContaining("it exists");
        Path appears = folder.resolve("appears");
        try (OutputFile output = OutputFile.creating(appears)) {
            output.write(channel -> channel.write(ByteBuffer.wrap(new byte[] {65})));
            Files.writeString(appears, "somebody else's");
            assertThatThrownBy(output::publish).hasMessageContaining("it exists");
        }
        assertThat(appears).hasContent("somebody else's");
    }

    @Test
    void filesThatBelongTogetherAppearWhenAllAreWritten() throws IOException {
        Path first = precious();
        Path second = folder.resolve("second");
        try (OutputFile a = OutputFile.replacing(first);
                OutputFile b = OutputFile.creating(second)) {
            a.write(channel -> channel.write(StandardCharsets.UTF_8.encode("A")));
            b.write(channel -> channel.write(StandardCharsets.UTF_8.encode("B")));
            assertThat(first).hasContent("precious");
            assertThat(second).doesNotExist();
            assertThatThrownBy(() -> a.write(channel -> {})).isInstanceOf(IllegalStateException.class);
            a.publish();
            b.publish();
        }
        assertThat(first).hasContent("A");
        assertThat(second).hasContent("B");
    }

    @Test
    void aNameMayBeAsLongAsTheFileSystemAllows() {
        Path file = folder.resolve("n".repeat(255));
        OutputFile.writeString(file, "x");
        assertThat(file).hasContent("x");
    }
}
