package dev.loupe.architectures.tokenizer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.BitSet;
import java.util.Deque;

/**
 * SentencePiece's table of replacements ({@code precompiled_charsmap}): the length in bytes of a double-array trie of
 * the texts to replace, the trie, and behind it the replacements, each ended by a 0. The trie's units are those of
 * Darts-clone: bits 0 to 7 and 31 are the label, bit 8 says that a text ends here, bits 10 and up with bit 9 are the
 * distance to the units of the next bytes.
 */
final class Charsmap {

    private Charsmap() {}

    /**
     * Follows every way through the trie.
     *
     * @throws IllegalArgumentException if one leads out of it, or to a place that is no replacement; says so as the
     *     end of a sentence
     */
    static void check(String base64) {
        byte[] bytes;
        try {
            bytes = Base64.getDecoder().decode(base64);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("isn't base64: " + e.getMessage(), e);
        }
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.length < 4) {
            throw new IllegalArgumentException("is " + bytes.length + " bytes long, which is no table");
        }
        int length = in.getInt();
        if (length < 4 || length % 4 != 0 || length > in.remaining()) {
            throw new IllegalArgumentException("says that its trie has " + Integer.toUnsignedString(length)
                    + " bytes, but it should be a multiple of 4 and at most the " + in.remaining() + " that follow");
        }
        int[] units = new int[length / 4];
        in.asIntBuffer().get(units);
        in.position(4 + length);
        byte[] replacements = new byte[in.remaining()];
        in.get(replacements);
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(replacements));
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException("has replacements that aren't UTF-8", e);
        }
        follow(units, replacements);
    }

    private static void follow(int[] units, byte[] replacements) {
        BitSet seen = new BitSet(units.length);
        Deque<Integer> bases = new ArrayDeque<>();
        int root = offset(units[0]);
        enter(root, units, seen, bases);
        while (!bases.isEmpty()) {
            int base = bases.pop();
            for (int next = 1; next < 256; next++) {
                int unit = units[base ^ next];
                if ((unit & 0x800000ff) != next) {
                    continue;
                }
                int following = base ^ next ^ offset(unit);
                enter(following, units, seen, bases);
                if ((unit >> 8 & 1) == 1) {
                    checkReplacement(units[following] & 0x7fffffff, replacements);
                }
            }
        }
    }

    private static void enter(int base, int[] units, BitSet seen, Deque<Integer> bases) {
        // Any byte may come next, so that all of its block is looked at.
        if (base < 0 || (base | 0xff) >= units.length) {
            throw new IllegalArgumentException(
                    "leads to unit " + (base | 0xff) + " of a trie that has " + units.length);
        }
        if (!seen.get(base)) {
            seen.set(base);
            bases.push(base);
        }
    }

    private static int offset(int unit) {
        return (unit >>> 10) << ((unit & 1 << 9) >>> 6);
    }

    private static void checkReplacement(int start, byte[] replacements) {
        boolean inside =
                start <= replacements.length && (start == replacements.length || (replacements[start] & 0xc0) != 0x80);
        if (!inside) {
            throw new IllegalArgumentException("has a replacement that begins at byte " + start + " of "
                    + replacements.length + ", which is outside or within a character");
        }
    }
}
