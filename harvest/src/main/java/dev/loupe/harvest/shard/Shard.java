package dev.loupe.harvest.shard;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apiguardian.api.API;

/**
 * The activations of some consecutive rows, token by token in the order of the data set. Its arrays may be used until it is
 * closed, and not be written to.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Shard implements AutoCloseable {

    private final int number;
    private final Layout layout;
    private final List<TokenRow> rows;
    private final int tokens;
    private final int[] rowOfToken;
    private final int[] firstOfRow;
    private final Map<String, HostTensor> values;
    private final Map<String, HostTensor> room;
    private final boolean whole;
    private final Consumer<Map<String, HostTensor>> release;
    private boolean closed;

    Shard(
            int number,
            Layout layout,
            List<TokenRow> rows,
            boolean whole,
            Map<String, HostTensor> room,
            Consumer<Map<String, HostTensor>> release) {
        this.number = number;
        this.layout = layout;
        this.rows = List.copyOf(rows);
        this.whole = whole;
        this.release = release;
        this.firstOfRow = new int[rows.size()];
        int count = 0;
        for (int i = 0; i < firstOfRow.length; i++) {
            firstOfRow[i] = count;
            count += rows.get(i).kept();
        }
        this.tokens = count;
        this.rowOfToken = new int[count];
        for (int i = 0; i < firstOfRow.length; i++) {
            Arrays.fill(rowOfToken, firstOfRow[i], firstOfRow[i] + rows.get(i).kept(), i);
        }
        Map<String, HostTensor> views = new LinkedHashMap<>();
        for (Layout.Point point : layout.points()) {
            HostTensor whereTo = room.get(point.name());
            if (whereTo == null) {
                throw new IllegalStateException("There is no room for " + point.name());
            }
            views.put(point.name(), new HostTensor(point.dtype(), point.shapeOf(tokens), whereTo.parts()));
        }
        this.values = Collections.unmodifiableMap(views);
        this.room = room;
    }

    /** Counts the shards of a harvest, from 0. */
    public int number() {
        return number;
    }

    /** What there is for each token. */
    public Layout layout() {
        return layout;
    }

    /** How many tokens it has. */
    public int tokens() {
        return tokens;
    }

    /** How many rows it has. */
    public int rows() {
        return rows.size();
    }

    /** Where the shard after it begins. */
    public Cursor next() {
        return rows.get(rows.size() - 1).next();
    }

    /** Whether it goes as far as it may: false if the harvest was to stop after a number of tokens. */
    public boolean isWhole() {
        return whole;
    }

    private TokenRow rowOf(int token) {
        return rows.get(rowOfToken[token]);
    }

    /** The number of the document that a token stands in. */
    public long document(int token) {
        return rowOf(token).document(position(token));
    }

    /** The number of the row that a token stands in. */
    public long row(int token) {
        return rowOf(token).number();
    }

    /** The position of a token in its row. */
    public int position(int token) {
        return rowOf(token).begin() + token - firstOfRow[rowOfToken[token]];
    }

    /** A token's id. */
    public long id(int token) {
        return rowOf(token).id(position(token));
    }

    /**
     * The ids around a token.
     *
     * @param before how many in front of it, if there are so many
     * @param after how many behind it, if there are so many
     */
    public long[] context(int token, int before, int after) {
        TokenRow row = rowOf(token);
        int position = position(token);
        return Arrays.copyOfRange(
                row.ids(), Math.max(0, position - before), Math.min(row.length(), position + after + 1));
    }

    /** A point's numbers, [tokens, …]. */
    public HostTensor values(String point) {
        HostTensor found = values.get(point);
        if (found == null) {
            throw new IllegalArgumentException("'" + point + "' isn't harvested; harvested are " + values.keySet());
        }
        return found;
    }

    /** Everything by name: {@code document} and {@code row} (int64), {@code position} and {@code token} (int32), and each point. */
    public Map<String, HostTensor> arrays() {
        Map<String, HostTensor> all = new LinkedHashMap<>();
        Shape shape = Shape.of(tokens);
        long[] documents = new long[tokens];
        long[] rowNumbers = new long[tokens];
        HostTensor positions = HostTensor.allocateHeap(DType.INT32, shape);
        HostTensor ids = HostTensor.allocateHeap(DType.INT32, shape);
        for (int i = 0; i < tokens; i++) {
            documents[i] = document(i);
            rowNumbers[i] = row(i);
            positions.setDouble(i, position(i));
            ids.setDouble(i, (double) id(i));
        }
        all.put("document", HostTensor.of(shape, documents));
        all.put("row", HostTensor.of(shape, rowNumbers));
        all.put("position", positions);
        all.put("token", ids);
        all.putAll(values);
        return all;
    }

    List<TokenRow> tokenRows() {
        return new ArrayList<>(rows);
    }

    int firstOfRow(int row) {
        return firstOfRow[row];
    }

    /** Gives its memory back for the shards to come. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            release.accept(room);
        }
    }

    @Override
    public String toString() {
        return "shard " + number + " with " + tokens + " tokens of " + rows.size() + " rows";
    }
}
