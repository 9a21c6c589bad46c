package dev.loupe.harvest.reduce;

import dev.loupe.harvest.shard.Layout;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import org.apiguardian.api.API;

/** The reducers that come with Loupe, by what a job calls them. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Reducers {

    private Reducers() {}

    /**
     * Fresh reducers.
     *
     * @param names {@code statistics}, {@code covariance}, {@code histogram:LOW:HIGH:BINS}, {@code top:K}
     * @throws IllegalArgumentException if a name isn't understood; says what there is
     */
    public static List<Reducer> of(List<String> names, Layout layout) {
        if (new LinkedHashSet<>(names).size() < names.size()) {
            throw new IllegalArgumentException("A reducer stands twice in " + names);
        }
        List<Reducer> reducers = new ArrayList<>();
        for (String name : names) {
            reducers.add(of(name, layout));
        }
        return reducers;
    }

    private static Reducer of(String name, Layout layout) {
        String[] parts = name.split(":", -1);
        try {
            if (name.equals("statistics")) {
                return new Statistics(layout);
            }
            if (name.equals("covariance")) {
                return new Covariance(layout);
            }
            if (parts[0].equals("histogram") && parts.length == 4) {
                return new Histogram(
                        layout, Double.parseDouble(parts[1]), Double.parseDouble(parts[2]), Integer.parseInt(parts[3]));
            }
            if (parts[0].equals("top") && parts.length == 2) {
                return new TopExamples(layout, Integer.parseInt(parts[1]));
            }
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("'" + name + "' has something else than a number: " + e.getMessage(), e);
        }
        throw new IllegalArgumentException("There is no reducer '" + name
                + "'; there are statistics, covariance, histogram:LOW:HIGH:BINS and top:K, such as"
                + " 'histogram:-10:10:100' and 'top:10'");
    }
}
