package dev.loupe.hook;

import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.UnknownHookException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.apiguardian.api.API;

/**
 * Chooses hook points: by name, by pattern, or by a condition. Names may be full ({@code
 * blocks.3.attn.hook_pattern}) or short ({@code pattern3}).
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class HookFilter {

    private final String description;
    private final Selector selector;
    private final boolean byName;

    private interface Selector {
        Collection<HookPoint> select(HookNames names);
    }

    private HookFilter(String description, Selector selector) {
        this(description, selector, false);
    }

    private HookFilter(String description, Selector selector, boolean byName) {
        this.description = description;
        this.selector = selector;
        this.byName = byName;
    }

    /** Every point that lies on the way of a plain run: all but the optional ones. */
    public static HookFilter standard() {
        return new HookFilter(
                "all standard points",
                names -> names.points().stream()
                        .filter(point -> !point.optional())
                        .toList());
    }

    /** Every point, the optional ones too. */
    public static HookFilter everything() {
        return new HookFilter("all points", HookNames::points);
    }

    /** No point. */
    public static HookFilter none() {
        return new HookFilter("no point", names -> List.of());
    }

    /** The named points; a name that doesn't exist is an error. */
    public static HookFilter names(String... wanted) {
        return names(List.of(wanted));
    }

    /** The named points; a name that doesn't exist is an error. */
    public static HookFilter names(Collection<String> wanted) {
        List<String> copy = List.copyOf(wanted);
        return new HookFilter(
                copy.toString(), names -> copy.stream().map(names::resolve).toList(), true);
    }

    /**
     * Standard points whose full name matches a pattern in which {@code *} stands for any characters and {@code ?}
     * for one; optional points too if the pattern, like {@code *hook_result}, matches nothing else. Several patterns
     * are separated by commas.
     */
    public static HookFilter glob(String patterns) {
        return new HookFilter("'" + patterns + "'", names -> {
            Set<HookPoint> chosen = new LinkedHashSet<>();
            for (String glob : patterns.split(",", -1)) {
                List<HookPoint> matching = matching(names, glob.strip());
                if (matching.isEmpty() && isPattern(glob)) {
                    throw names.noMatch(glob.strip());
                } else if (matching.isEmpty()) {
                    chosen.add(names.resolve(glob.strip()));
                }
                chosen.addAll(matching);
            }
            return chosen;
        });
    }

    private static boolean isPattern(String text) {
        return text.indexOf('*') >= 0 || text.indexOf('?') >= 0;
    }

    private static List<HookPoint> matching(HookNames names, String glob) {
        Glob pattern = new Glob(glob);
        List<HookPoint> all = names.points().stream()
                .filter(point -> pattern.matches(point.name()))
                .toList();
        List<HookPoint> standard =
                all.stream().filter(point -> !point.optional()).toList();
        return standard.isEmpty() || glob.equals("**") ? all : standard;
    }

    /**
     * The standard points whose full name fulfils a condition; optional points too if it, like {@code name ->
     * name.endsWith("hook_result")}, holds for nothing else. As with {@link #glob}, a condition that holds for no point is
     * an error: {@link #select} throws {@link IllegalArgumentException}.
     */
    public static HookFilter matching(Predicate<String> condition) {
        return new HookFilter("a condition on names", names -> {
            List<HookPoint> all = fulfilling(names, condition);
            List<HookPoint> standard =
                    all.stream().filter(point -> !point.optional()).toList();
            return standard.isEmpty() ? all : standard;
        });
    }

    /**
     * Every point whose full name fulfils a condition, the optional ones too; {@link #select} throws {@link
     * IllegalArgumentException} if there is none.
     */
    public static HookFilter matchingAll(Predicate<String> condition) {
        return new HookFilter("a condition on all names", names -> fulfilling(names, condition));
    }

    private static List<HookPoint> fulfilling(HookNames names, Predicate<String> condition) {
        List<HookPoint> all = names.points().stream()
                .filter(point -> condition.test(point.name()))
                .toList();
        if (all.isEmpty()) {
            throw new IllegalArgumentException("The condition on names holds for none of the model's "
                    + names.points().size() + " hook points. Conditions are asked about full names, such as "
                    + names.points().get(0).name() + "; HookFilter.none() chooses nothing on purpose");
        }
        return all;
    }

    /** These points and those of another filter. */
    public HookFilter and(HookFilter other) {
        return new HookFilter(description + " and " + other.description, names -> {
            List<HookPoint> both = new ArrayList<>(selector.select(names));
            both.addAll(other.selector.select(names));
            return both;
        });
    }

    /**
     * The chosen points of a model, in the order in which they fire.
     *
     * @throws UnknownHookException if a name doesn't exist or a pattern matches nothing
     * @throws IllegalArgumentException if a condition holds for no point
     */
    public List<HookPoint> select(HookNames names) {
        Set<HookPoint> chosen = new LinkedHashSet<>(selector.select(names));
        return names.points().stream().filter(chosen::contains).toList();
    }

    /** Whether every point was named, so that each of them must be there. */
    public boolean byName() {
        return byName;
    }

    @Override
    public String toString() {
        return description;
    }
}
