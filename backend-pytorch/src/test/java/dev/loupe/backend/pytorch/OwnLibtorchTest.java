package dev.loupe.backend.pytorch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A libtorch that the user has put somewhere. */
class OwnLibtorchTest {

    @TempDir
    private Path torch;

    private OwnLibtorch libtorch(String... libraries) throws IOException {
        Path lib = Files.createDirectories(torch.resolve("lib"));
        for (String library : libraries) {
            Files.createFile(lib.resolve(System.mapLibraryName(library)));
        }
        return new OwnLibtorch(lib);
    }

    @Test
    void pythonsTorchSaysItsVersionAndFlavour() throws IOException {
        OwnLibtorch found = libtorch("torch", "torch_cuda");
        Files.writeString(torch.resolve("version.py"), "import x\n__version__ = '2.7.1+cu126'\ncuda = '12.6'\n");
        assertThat(found.isThere()).isTrue();
        assertThat(found.version()).isEqualTo("2.7.1");
        assertThat(found.flavor()).isEqualTo("cu126");
    }

    @Test
    void anUnpackedLibtorchSaysItsVersionAndFlavour() throws IOException {
        OwnLibtorch found = libtorch("torch");
        Files.writeString(torch.resolve("build-version"), "2.5.0+cpu\n");
        assertThat(found.version()).isEqualTo("2.5.0");
        assertThat(found.flavor()).isEqualTo("cpu");
    }

    @Test
    void whatSaysNothingIsJudgedByItsLibraries() throws IOException {
        assertThat(libtorch().isThere()).isFalse();
        OwnLibtorch found = libtorch("torch", "torch_cuda");
        assertThat(found.version()).isNull();
        assertThat(found.flavor()).isEqualTo("cu128");
    }
}
