package dev.loupe.harvest.source;

import dev.loupe.harvest.source.DocumentSource.Documents;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Documents with a check sum over all that were read: a harvest goes on only if the documents that it has passed are those
 * that it has read. What comes behind them may have been mended in the meantime, or been added.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class DocumentChain implements Documents {

    private final Documents documents;
    private final MessageDigest digest = Sha256.digest();
    private final TreeMap<Long, byte[]> sums = new TreeMap<>();
    private long read;

    /** Nothing is read yet. */
    public DocumentChain(Documents documents) {
        this.documents = documents;
        sums.put(0L, new byte[0]);
    }

    @Override
    public @Nullable Document next() throws IOException {
        Document document = documents.next();
        if (document != null) {
            digest.update(sums.lastEntry().getValue());
            digest.update(ByteBuffer.allocate(Long.BYTES).putLong(0, document.id()));
            String text = document.text();
            long[] tokens = document.tokens();
            if (text != null) {
                digest.update((byte) 't');
                digest.update(text.getBytes(StandardCharsets.UTF_8));
            } else if (tokens != null) {
                ByteBuffer bytes = ByteBuffer.allocate(tokens.length * Long.BYTES);
                bytes.asLongBuffer().put(tokens);
                digest.update((byte) 'i');
                digest.update(bytes);
            }
            sums.put(++read, digest.digest());
        }
        return document;
    }

    /** How many documents were read. */
    public long count() {
        return read;
    }

    /**
     * The check sum over the first documents; those over fewer are forgotten.
     *
     * @param count how many documents; not more than were read, nor fewer than were asked for last
     */
    public String sum(long count) {
        byte[] sum = sums.get(count);
        if (sum == null) {
            throw new IllegalStateException(
                    "There is no check sum over " + count + " documents, but over " + sums.keySet());
        }
        sums.headMap(count).clear();
        return HexFormat.of().formatHex(sum);
    }

    /**
     * Passes over documents.
     *
     * @param count how many
     * @param expected the check sum over them
     * @throws IllegalArgumentException if there are fewer, or others
     */
    public void skip(long count, String expected, String name) throws IOException {
        for (long i = 0; i < count; i++) {
            if (next() == null) {
                throw new IllegalArgumentException(name + " has only " + i + " documents; the harvest has passed "
                        + count + " already. Is it the same data set?");
            }
            Map.Entry<Long, byte[]> last = sums.lastEntry();
            sums.clear();
            sums.put(last.getKey(), last.getValue());
        }
        if (!sum(count).equals(expected)) {
            throw new IllegalArgumentException("The first " + count + " documents of " + name
                    + " aren't those that the harvest has read. Is it the same data set? Give it as it was, or harvest into"
                    + " another folder");
        }
    }

    @Override
    public double fraction() {
        return documents.fraction();
    }

    @Override
    public void close() throws IOException {
        documents.close();
    }
}
