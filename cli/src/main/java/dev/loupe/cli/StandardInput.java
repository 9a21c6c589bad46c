package dev.loupe.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine.Model.CommandSpec;

/** Texts that come from standard input, because a command says {@code -} in their place. */
final class StandardInput {

    private static final String NAME = "-";
    private static final int MOST_BYTES = 16 << 20;

    private StandardInput() {}

    /**
     * A text as it was given, or what standard input has.
     *
     * @throws IllegalArgumentException if that isn't UTF-8, or too long for a prompt
     */
    static String orText(String given, CommandSpec command) {
        return isMeant(given) ? read(command) : given;
    }

    static boolean isMeant(String given) {
        return given.equals(NAME);
    }

    private static String read(CommandSpec command) {
        try {
            InputStream in = Main.of(command).input();
            byte[] bytes = in.readNBytes(MOST_BYTES + 1);
            if (bytes.length > MOST_BYTES) {
                throw new IllegalArgumentException(
                        "Standard input has more than " + (MOST_BYTES >> 20) + " MB; that is no prompt");
            }
            String all = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            // Every tool ends its last line; the text ends before that.
            return all.endsWith("\r\n")
                    ? all.substring(0, all.length() - 2)
                    : all.endsWith("\n") ? all.substring(0, all.length() - 1) : all;
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException("Standard input isn't UTF-8 text", e);
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read standard input", e);
        }
    }
}
