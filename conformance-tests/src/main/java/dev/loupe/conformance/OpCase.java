package dev.loupe.conformance;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.List;
import java.util.stream.Collectors;

/**
 * An operation and what it is applied to.
 *
 * @param note what is special about the numbers, for messages
 */
record OpCase(Op op, List<HostTensor> inputs, String note) {

    /** Copies the list. */
    OpCase {
        inputs = List.copyOf(inputs);
    }

    /** The types of the inputs. */
    List<TensorType> inputTypes() {
        return inputs.stream()
                .map(input -> TensorType.of(input.dtype(), input.shape()))
                .toList();
    }

    /** The operation with its attributes, the shapes, and the note. */
    String describe() {
        String shapes = inputs.stream().map(input -> input.shape().toString()).collect(Collectors.joining(" x "));
        return op + " of " + shapes + (note.isEmpty() ? "" : ", " + note);
    }
}
