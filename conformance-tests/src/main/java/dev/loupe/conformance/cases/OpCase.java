package dev.loupe.conformance.cases;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.List;
import java.util.stream.Collectors;
import org.apiguardian.api.API;

/**
 * An operation and what it is applied to.
 *
 * @param note what is special about the numbers, for messages
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record OpCase(Op op, List<HostTensor> inputs, String note) {

    /** Copies the list. */
    public OpCase {
        inputs = List.copyOf(inputs);
    }

    /** The types of the inputs. */
    public List<TensorType> inputTypes() {
        return inputs.stream()
                .map(input -> TensorType.of(input.dtype(), input.shape()))
                .toList();
    }

    /** The operation with its attributes, the shapes, and the note. */
    public String describe() {
        String shapes = inputs.stream().map(input -> input.shape().toString()).collect(Collectors.joining(" x "));
        return op + " of " + shapes + (note.isEmpty() ? "" : ", " + note);
    }
}
