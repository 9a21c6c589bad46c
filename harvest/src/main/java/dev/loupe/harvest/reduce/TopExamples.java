package dev.loupe.harvest.reduce;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.harvest.shard.Shard;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * The places at which each unit (neuron, feature, dimension) of each point is most active, with the tokens around them.
 * It takes about 100 bytes for each place.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class TopExamples implements Reducer {

    private final Layout layout;
    private final int most;
    private final Map<String, Examples> examples = new LinkedHashMap<>();

    /**
     * Of every point of a layout.
     *
     * @param most how many places of each unit
     */
    public TopExamples(Layout layout, int most) {
        this.layout = layout;
        this.most = most;
        layout.points().forEach(point -> examples.put(point.name(), new Examples(point.width(), most)));
    }

    @Override
    public String id() {
        return "top:" + most;
    }

    /** What is known of a point, by its full name. */
    public Examples examples(String point) {
        Examples found = examples.get(point);
        if (found == null) {
            throw new IllegalArgumentException("There are no examples of '" + point + "', but of " + examples.keySet());
        }
        return found;
    }

    @Override
    public void accept(Shard shard) {
        examples.forEach((point, best) -> {
            HostTensor values = shard.values(point);
            double[] numbers = new double[best.units()];
            for (int token = 0; token < shard.tokens(); token++) {
                TokenNumbers.read(values, token, numbers);
                long document = shard.document(token);
                long row = shard.row(token);
                int position = shard.position(token);
                long[] around = shard.context(token, Examples.BEFORE, Examples.AFTER);
                int here = Math.min(position, Examples.BEFORE);
                Examples.Context context = offset -> {
                    int at = here + offset;
                    return at < 0 || at >= around.length ? -1 : Math.toIntExact(around[at]);
                };
                for (int unit = 0; unit < numbers.length; unit++) {
                    best.offer(unit, numbers[unit], document, row, position, context);
                }
            }
        });
    }

    /**
     * For each point {@code count} [units]; {@code value}, {@code document}, {@code row}, {@code position} [units, most];
     * {@code context} [units, most, {@link Examples#BEFORE} + 1 + {@link Examples#AFTER}], −1 where there is no token.
     */
    @Override
    public Map<String, HostTensor> save() {
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        examples.forEach((point, best) -> {
            int units = best.units();
            Shape places = Shape.of(units, most);
            HostTensor count = HostTensor.allocate(DType.INT32, Shape.of(units));
            HostTensor value = HostTensor.allocate(DType.FLOAT64, places);
            HostTensor position = HostTensor.allocate(DType.INT32, places);
            HostTensor context = HostTensor.allocate(DType.INT32, Shape.of(units, most, Examples.CONTEXT));
            long[] document = new long[units * most];
            long[] row = new long[units * most];
            for (int unit = 0; unit < units; unit++) {
                count.setDouble(unit, best.count(unit));
                for (int n = 0; n < best.count(unit); n++) {
                    int at = unit * most + n;
                    value.setDouble(at, best.value(unit, n));
                    document[at] = best.document(unit, n);
                    row[at] = best.row(unit, n);
                    position.setDouble(at, best.position(unit, n));
                    int[] ids = best.context(unit, n);
                    for (int i = 0; i < ids.length; i++) {
                        context.setDouble((long) at * ids.length + i, ids[i]);
                    }
                }
            }
            arrays.put(point + "/count", count);
            arrays.put(point + "/value", value);
            arrays.put(point + "/document", HostTensor.of(places, document));
            arrays.put(point + "/row", HostTensor.of(places, row));
            arrays.put(point + "/position", position);
            arrays.put(point + "/context", context);
        });
        return arrays;
    }

    @Override
    public void merge(Map<String, HostTensor> saved) {
        for (Layout.Point point : layout.points()) {
            Examples best = examples(point.name());
            String at = point.name() + "/";
            long places = (long) best.units() * most;
            long[] count = TokenNumbers.longs(saved, at + "count", best.units());
            HostTensor value = TokenNumbers.saved(saved, at + "value", places);
            long[] document = TokenNumbers.longs(saved, at + "document", places);
            long[] row = TokenNumbers.longs(saved, at + "row", places);
            long[] position = TokenNumbers.longs(saved, at + "position", places);
            HostTensor context = TokenNumbers.saved(saved, at + "context", places * Examples.CONTEXT);
            for (int unit = 0; unit < best.units(); unit++) {
                for (int n = 0; n < Math.min(most, count[unit]); n++) {
                    int place = unit * most + n;
                    long ids = (long) place * Examples.CONTEXT + Examples.BEFORE;
                    best.offer(
                            unit, value.getDouble(place), document[place], row[place], (int) position[place], offset ->
                                    (int) context.getDouble(ids + offset));
                }
            }
        }
    }
}
