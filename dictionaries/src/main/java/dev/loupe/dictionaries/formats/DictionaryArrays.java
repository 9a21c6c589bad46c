package dev.loupe.dictionaries.formats;

import dev.loupe.architectures.files.ModelFiles;
import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.array.safetensors.SafetensorsFile;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * The arrays of a dictionary's file, as float32, by the names that they have here.
 *
 * @param where the file, for messages
 * @param byName the arrays
 */
record DictionaryArrays(String where, Map<String, HostTensor> byName) {

    /**
     * Reads a safetensors file.
     *
     * @param spelling the name here for a name there
     * @throws IllegalArgumentException if there is no such file, it is damaged, or an array holds no floating-point
     *     numbers
     */
    static DictionaryArrays read(ModelFiles files, String folder, String file, UnaryOperator<String> spelling) {
        String where = DictionaryFormats.where(files, folder) + " " + file;
        Map<String, HostTensor> arrays = new LinkedHashMap<>();
        try (SafetensorsFile tensors = files.openTensors(folder + file)) {
            for (String name : tensors.names()) {
                HostTensor array = tensors.read(name);
                if (!array.dtype().isFloating()) {
                    throw new IllegalArgumentException(where + ": '" + name + "' is " + array.dtype() + " "
                            + array.shape() + "; the arrays of a dictionary are floating-point");
                }
                if (arrays.put(spelling.apply(name), array.to(DType.FLOAT32)) != null) {
                    throw new IllegalArgumentException(
                            where + " has '" + spelling.apply(name) + "' in two spellings: " + tensors.names());
                }
            }
        }
        return new DictionaryArrays(where, arrays);
    }

    /**
     * A matrix that has to be there.
     *
     * @throws IllegalArgumentException if it isn't, or is no matrix
     */
    HostTensor matrix(String name) {
        HostTensor found = byName.get(name);
        if (found == null || found.shape().rank() != 2) {
            throw new IllegalArgumentException(where + " lacks the matrix " + name + "; it has " + shapes());
        }
        return found;
    }

    /** The size of an axis of a matrix that has to be there. */
    int size(String name, int axis) {
        return Math.toIntExact(matrix(name).shape().size(axis));
    }

    private Map<String, Shape> shapes() {
        Map<String, Shape> shapes = new LinkedHashMap<>();
        byName.forEach((name, array) -> shapes.put(name, array.shape()));
        return shapes;
    }

    /** Rows and columns exchanged. */
    static HostTensor transposed(HostTensor matrix) {
        int rows = Math.toIntExact(matrix.shape().size(0));
        int columns = Math.toIntExact(matrix.shape().size(1));
        HostTensor result = HostTensor.allocate(matrix.dtype(), Shape.of(columns, rows));
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                result.setDouble((long) column * rows + row, matrix.getDouble((long) row * columns + column));
            }
        }
        return result;
    }
}
