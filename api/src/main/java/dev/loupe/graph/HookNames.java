package dev.loupe.graph;

import dev.loupe.array.Nearest;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/**
 * The hook points of one model, and what they may be called. Short names follow the original's {@code
 * get_act_name}.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class HookNames {

    private static final Pattern SHORT = Pattern.compile("([a-z_]+?)(-?\\d{1,9})(?:\\.?(ln1|ln2|attn|mlp|a|m))?");
    private static final Map<String, String> ALIASES = Map.ofEntries(
            Map.entry("attn", "pattern"),
            Map.entry("attn_logits", "attn_scores"),
            Map.entry("key", "k"),
            Map.entry("query", "q"),
            Map.entry("value", "v"),
            Map.entry("mlp_pre", "pre"),
            Map.entry("mlp_mid", "mid"),
            Map.entry("mlp_post", "post"),
            Map.entry("mlp_pre_linear", "pre_linear"));
    private static final Set<String> IN_ATTENTION =
            Set.of("q", "k", "v", "z", "rot_q", "rot_k", "result", "pattern", "attn_scores");
    private static final Set<String> IN_MLP = Set.of("pre", "post", "mid", "pre_linear");
    private static final Set<String> IN_NORM = Set.of("scale", "normalized");

    private final Map<String, HookPoint> points = new LinkedHashMap<>();
    private final Map<String, HookPoint> gradients = new LinkedHashMap<>();
    private final int layers;

    /**
     * The names of a model.
     *
     * @param points in the order in which they fire
     * @param layers number of blocks
     */
    public HookNames(Collection<HookPoint> points, int layers) {
        points.forEach(point -> this.points.put(point.name(), point));
        points.forEach(point -> gradients.put(point.gradient().name(), point.gradient()));
        this.layers = layers;
    }

    /** Every point, in the order in which they fire. */
    public List<HookPoint> points() {
        return List.copyOf(points.values());
    }

    /** Whether a full name exists. */
    public boolean has(String fullName) {
        return points.containsKey(fullName);
    }

    /** The point of the forward or of the backward part that has this full name, if there is one. */
    public Optional<HookPoint> either(String fullName) {
        return Optional.ofNullable(points.getOrDefault(fullName, gradients.get(fullName)));
    }

    /**
     * The point of a full name, or of a short one such as {@code resid_post5}, {@code scale3ln1}, {@code embed}.
     *
     * @throws UnknownHookException if there is no such point
     */
    public HookPoint resolve(String name) {
        HookPoint point = points.get(name);
        return point != null ? point : require(name, fullName(name));
    }

    /** The point of a short name and a layer; a negative layer counts from the end. */
    public HookPoint resolve(String shortName, int layer) {
        return require(join(shortName, layer), fullName(shortName, layer, ""));
    }

    /** The point of a short name, a layer and a part of the block, as in {@code ("scale", 3, "ln1")}. */
    public HookPoint resolve(String shortName, int layer, String part) {
        return require(shortName + " of " + part + " in layer " + layer, fullName(shortName, layer, part));
    }

    /** The short name that says the same as a short name and a layer. */
    public static String join(String shortName, int layer) {
        return shortName + layer;
    }

    /** What is thrown for a pattern that none of the names matches. */
    public UnknownHookException noMatch(String pattern) {
        return new UnknownHookException("The pattern '" + pattern + "' matches none of the " + points.size()
                + " hook points of this model of " + layers + " layers. The nearest are "
                + Nearest.to(pattern, points.keySet(), 5));
    }

    private HookPoint require(String asked, String fullName) {
        HookPoint point = points.get(fullName);
        if (point == null) {
            String tried = asked.equals(fullName) ? "" : " (read as '" + fullName + "')";
            throw new UnknownHookException("There is no hook point '" + asked + "'" + tried + " in this model of "
                    + layers + " layers. The nearest are " + Nearest.to(fullName, points.keySet(), 5));
        }
        return point;
    }

    private String fullName(String name) {
        Matcher matcher = SHORT.matcher(name);
        if (matcher.matches()) {
            String part = matcher.group(3);
            return fullName(matcher.group(1), Integer.parseInt(matcher.group(2)), part == null ? "" : part);
        }
        if (IN_NORM.contains(name)) {
            return "ln_final.hook_" + name;
        }
        return points.containsKey("hook_" + name) ? "hook_" + name : name;
    }

    private String fullName(String shortName, int layer, String part) {
        String name = ALIASES.getOrDefault(shortName, shortName);
        int index = layer < 0 ? layer + layers : layer;
        String block = "blocks." + index + ".";
        if (IN_ATTENTION.contains(name)) {
            return block + "attn.hook_" + name;
        }
        if (IN_MLP.contains(name)) {
            return block + "mlp.hook_" + name;
        }
        if (IN_NORM.contains(name)) {
            return block + (part.isEmpty() ? "ln1" : part) + ".hook_" + name;
        }
        return block + "hook_" + name;
    }
}
