package dev.loupe.architectures.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * GPT-2's spelling of bytes as characters ({@code bytes_to_unicode}, Radford et al. 2019): printable bytes stand
 * for themselves, the others are moved to characters from U+0100 on, so that no piece has a space in it.
 */
final class ByteLevel {

    private static final Map<Character, Byte> BYTES = bytes();

    private ByteLevel() {}

    private static Map<Character, Byte> bytes() {
        Map<Character, Byte> bytes = new HashMap<>();
        char moved = 0x100;
        for (int value = 0; value < 256; value++) {
            boolean printable = (value >= '!' && value <= '~') || (value >= 0xa1 && value <= 0xac) || value >= 0xae;
            bytes.put(printable ? (char) value : moved++, (byte) value);
        }
        return bytes;
    }

    /** The text of a piece; a piece with other characters than those of this spelling stays as it is. */
    static String text(String piece) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int i = 0; i < piece.length(); i++) {
            Byte value = BYTES.get(piece.charAt(i));
            if (value == null) {
                return piece;
            }
            bytes.write(value);
        }
        return text(bytes.toByteArray());
    }

    /** Bytes as UTF-8, those that are none as {@code \xNN}. */
    static String text(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(bytes.length * 4);
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        while (in.hasRemaining()) {
            CoderResult result = decoder.decode(in, out, true);
            for (int i = result.isError() ? result.length() : 0; i > 0; i--) {
                out.put(String.format("\\x%02X", in.get()));
            }
        }
        return out.flip().toString();
    }
}
