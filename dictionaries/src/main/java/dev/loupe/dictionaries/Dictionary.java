package dev.loupe.dictionaries;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Nearest;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.dictionaries.formats.DictionaryConfig;
import dev.loupe.dictionaries.formats.DictionaryConfig.Activation;
import dev.loupe.tensor.TensorFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * A dictionary of features: a sparse autoencoder, or a transcoder, which reads one activation and replaces another.
 * Immutable. {@link #spliced} makes it part of a model; {@link #on} computes with it alone.
 *
 * <p>{@code a = act((x − b_dec·[apply_b_dec_to_input])·W_enc + b_enc)}, {@code out = a·W_dec + b_dec (+ x·W_skipᵀ)}.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Dictionary {

    private final DictionaryConfig config;
    private final Map<String, HostTensor> weights;

    /**
     * A dictionary.
     *
     * @param weights {@code W_enc} [d_in, d_sae], {@code b_enc} [d_sae], {@code W_dec} [d_sae, d_out], {@code b_dec}
     *     [d_out], and as its kind needs {@code threshold}, {@code r_mag}, {@code b_mag}, {@code b_gate}, {@code
     *     finetuning_scaling_factor} [d_sae], {@code W_skip} [d_out, d_in]
     * @throws IllegalArgumentException if an array is missing, has another shape, or isn't known; names it
     */
    public Dictionary(DictionaryConfig config, Map<String, HostTensor> weights) {
        this.config = config;
        this.weights = Collections.unmodifiableMap(new LinkedHashMap<>(weights));
        Map<String, Shape> expected = shapes(config);
        List<String> missing = new ArrayList<>(expected.keySet());
        missing.removeAll(Set.of("W_skip", DictionaryMath.FINETUNING));
        missing.removeAll(weights.keySet());
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException(
                    config.name() + " lacks the arrays " + missing + "; it has " + weights.keySet());
        }
        weights.forEach((name, weight) -> {
            Shape shape = expected.get(name);
            if (shape == null) {
                throw new IllegalArgumentException(config.name() + " has an array '" + name + "' " + weight.shape()
                        + " that a dictionary of kind " + config.activation() + " doesn't know; it knows "
                        + expected.keySet() + ", near are " + Nearest.to(name, expected.keySet(), 2));
            }
            if (!weight.shape().equals(shape) || !weight.dtype().isFloating()) {
                throw new IllegalArgumentException(config.name() + ": '" + name + "' should be floating-point " + shape
                        + ", found " + weight.dtype() + " " + weight.shape());
            }
        });
    }

    private static Map<String, Shape> shapes(DictionaryConfig config) {
        Map<String, Shape> shapes = new LinkedHashMap<>();
        Shape perFeature = Shape.of(config.dSae());
        shapes.put("W_enc", Shape.of(config.dIn(), config.dSae()));
        shapes.put("W_dec", Shape.of(config.dSae(), config.dOut()));
        shapes.put("b_dec", Shape.of(config.dOut()));
        if (config.activation() == Activation.GATED) {
            for (String name : List.of("r_mag", "b_mag", "b_gate")) {
                shapes.put(name, perFeature);
            }
        } else {
            shapes.put("b_enc", perFeature);
        }
        if (config.activation() == Activation.JUMPRELU) {
            shapes.put("threshold", perFeature);
        }
        shapes.put("W_skip", Shape.of(config.dOut(), config.dIn()));
        shapes.put(DictionaryMath.FINETUNING, perFeature);
        return shapes;
    }

    /**
     * Loads a dictionary.
     *
     * @param name a bundled one, a directory, or {@code org/name:path} on the Hugging Face Hub
     * @throws IllegalArgumentException if there is none, or it can't be understood
     */
    public static Dictionary load(String name) {
        return Dictionaries.load(name);
    }

    /** What it is. */
    public DictionaryConfig config() {
        return config;
    }

    /** The arrays by name. */
    public Map<String, HostTensor> weights() {
        return weights;
    }

    /** One row of a matrix, [1, columns]. */
    HostTensor row(String array, int index) {
        HostTensor matrix = weights.get(array);
        if (matrix == null) {
            throw new IllegalStateException(this + " has no array '" + array + "'");
        }
        int columns = Math.toIntExact(matrix.shape().size(1));
        HostTensor row = HostTensor.allocate(matrix.dtype(), Shape.of(1, columns));
        for (int i = 0; i < columns; i++) {
            row.setDouble(i, matrix.getDouble((long) index * columns + i));
        }
        return row;
    }

    /** The same, reading and replacing other points. */
    public Dictionary at(String hookIn, String hookOut) {
        return new Dictionary(config.at(hookIn, hookOut), weights);
    }

    /** As an extension of a model, without the error term: {@code model.with(dictionary.spliced())}. */
    public SplicedDictionary spliced() {
        return new SplicedDictionary(this, false, false);
    }

    /** On a backend, to compute with it alone. */
    public DictionaryTensors on(Backend backend, DType dtype) {
        return new DictionaryTensors(this, new TensorFactory(backend), dtype);
    }

    @Override
    public String toString() {
        String where = config.isTranscoder() ? config.hookIn() + " → " + config.hookOut() : config.hookIn();
        return "Dictionary " + config.name() + " (" + config.activation() + ", " + config.dSae() + " features, at "
                + where + ")";
    }
}
