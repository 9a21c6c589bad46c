package dev.loupe.backend.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is kept, and when it is closed. */
class KeptTest {

    private final List<String> made = new ArrayList<>();
    private final List<String> closed = new ArrayList<>();
    private final Kept<Integer, String> kept = new Kept<>(
            2,
            key -> {
                made.add("v" + key);
                return "v" + key;
            },
            closed::add);

    private void use(int key) {
        kept.release(kept.acquire(key));
    }

    @Test
    void theLeastRecentlyUsedIsDroppedWhenThereAreTooMany() {
        use(1);
        use(2);
        use(1);
        use(3);
        assertThat(closed).containsExactly("v2");
        use(1);
        use(3);
        assertThat(made).containsExactly("v1", "v2", "v3");
        use(2);
        assertThat(made).containsExactly("v1", "v2", "v3", "v2");
        assertThat(closed).containsExactly("v2", "v1");
    }

    @Test
    void whatIsInUseWhenItIsDroppedIsClosedByItsLastUser() {
        Kept.Entry<String> first = kept.acquire(1);
        Kept.Entry<String> second = kept.acquire(1);
        use(2);
        use(3);
        use(4);
        assertThat(closed).containsExactly("v2");
        kept.release(first);
        assertThat(closed).containsExactly("v2");
        kept.release(second);
        assertThat(closed).containsExactly("v2", "v1");
    }

    @Test
    void closingClosesEachOnce() {
        Kept.Entry<String> used = kept.acquire(1);
        use(2);
        kept.close();
        assertThat(closed).containsExactly("v2");
        kept.release(used);
        kept.close();
        assertThat(closed).containsExactly("v2", "v1");
    }
}
