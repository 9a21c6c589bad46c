package dev.loupe.graph;

/**
 * A named place in a model where an activation can be read or changed.
 *
 * @param name the full name: {@code blocks.3.attn.hook_pattern}
 * @param optional whether the point lies off the way that a plain run takes; it is computed when, and only
 *     when, it is asked for
 */
public record HookPoint(String name, boolean optional) {

    /** The layer in the name, or −1 if the point belongs to no block. */
    public int layer() {
        if (!name.startsWith("blocks.")) {
            return -1;
        }
        int end = name.indexOf('.', "blocks.".length());
        return end < 0 ? -1 : Integer.parseInt(name.substring("blocks.".length(), end));
    }

    @Override
    public String toString() {
        return name;
    }
}
