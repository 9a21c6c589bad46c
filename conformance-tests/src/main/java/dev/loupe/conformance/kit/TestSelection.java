package dev.loupe.conformance.kit;

import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;

/** Which tests and cases run: those under one of some paths such as {@code 3}, {@code 3.6},
 * {@code 3.6/matmul/float32/7}. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class TestSelection {

    /** Everything. */
    public static final TestSelection ALL = new TestSelection(List.of());

    private final List<String> paths;

    private TestSelection(List<String> paths) {
        this.paths = paths;
    }

    /** Reads paths separated by commas; the empty text selects everything. */
    public static TestSelection parse(String text) {
        return new TestSelection(Arrays.stream(text.split(",", -1))
                .map(String::strip)
                .filter(path -> !path.isEmpty())
                .toList());
    }

    /** Whether nothing is left out. */
    public boolean isEverything() {
        return paths.isEmpty();
    }

    /** Whether a test or one of its cases is selected. */
    boolean selects(String test) {
        return isEverything() || paths.stream().anyMatch(path -> under(test, path) || under(path, test));
    }

    /** Whether a case of a test is selected. */
    boolean selectsCase(String test, int index) {
        return isEverything() || paths.stream().anyMatch(path -> under(test + "/" + index, path));
    }

    /** Whether a path is another one or lies below it; {@code 3} has all rules of section 3 below it. */
    static boolean under(String path, String root) {
        return path.equals(root)
                || path.startsWith(root + "/")
                || (root.indexOf('.') < 0 && path.startsWith(root + "."));
    }

    @Override
    public String toString() {
        return isEverything() ? "everything" : String.join(",", paths);
    }
}
