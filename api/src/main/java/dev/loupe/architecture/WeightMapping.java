package dev.loupe.architecture;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongUnaryOperator;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/**
 * How the tensors of a checkpoint become the weights of a graph: one rule for each weight, and the names of
 * tensors that may be there and mean nothing.
 *
 * @param rules one for each weight
 * @param ignored patterns, matched against whole names, of tensors that are not weights (buffers such as
 *     causal masks)
 */
@API(status = API.Status.STABLE, since = "0.1")
public record WeightMapping(List<Rule> rules, List<Pattern> ignored) {

    /** Copies the lists. */
    public WeightMapping {
        rules = List.copyOf(rules);
        ignored = List.copyOf(ignored);
    }

    /**
     * Where one weight comes from.
     *
     * @param weight name of the weight in the graph: {@code blocks.0.attn.W_Q}
     * @param sources names of checkpoint tensors that may hold it; the first that is there counts
     * @param sourceShape the shape that the checkpoint's tensor must have
     * @param layout how its elements are arranged in the weight
     * @param factor what each element is multiplied by: the width's root for embeddings that a model scales
     * @param summand what is added then: 1 for weights that are stored as their distance from 1
     */
    public record Rule(
            String weight, List<String> sources, List<Long> sourceShape, Layout layout, double factor, double summand) {

        /** Copies the lists. */
        public Rule {
            sources = List.copyOf(sources);
            sourceShape = List.copyOf(sourceShape);
        }

        /** Whether elements are taken as they are stored. */
        public boolean isPlain() {
            return factor == 1 && summand == 0;
        }
    }

    /**
     * Which element of a checkpoint's tensor goes where in a weight. The weight has the given shape; element
     * (row, column) of it, all axes but the last counted as rows, is element {@code source(row, column)} of
     * the checkpoint's tensor in row-major order.
     */
    public interface Layout {

        /** The weight's shape, given the checkpoint tensor's. */
        long[] shape(long[] sourceShape);

        /** Row-major index into the checkpoint's tensor. */
        long source(long row, long column, long[] sourceShape);

        /** The tensor as it is. */
        Layout AS_IS = new Layout() {
            @Override
            public long[] shape(long[] sourceShape) {
                return sourceShape.clone();
            }

            @Override
            public long source(long row, long column, long[] sourceShape) {
                return row * sourceShape[sourceShape.length - 1] + column;
            }
        };

        /** A matrix transposed: {@code [out, in] -> [in, out]}, as linear layers of PyTorch are stored. */
        Layout TRANSPOSED = new Layout() {
            @Override
            public long[] shape(long[] sourceShape) {
                return new long[] {sourceShape[1], sourceShape[0]};
            }

            @Override
            public long source(long row, long column, long[] sourceShape) {
                return column * sourceShape[1] + row;
            }
        };

        /** Some columns of the last axis, from {@code start} on: one part of a joint projection. */
        static Layout columns(long start, long count) {
            return columns(count, column -> start + column);
        }

        /**
         * Columns of the last axis in an order of their own: parts of a joint projection that are interleaved.
         *
         * @param count columns of the weight
         * @param storedColumn which of the tensor's columns is a column of the weight
         */
        static Layout columns(long count, LongUnaryOperator storedColumn) {
            return new Layout() {
                @Override
                public long[] shape(long[] sourceShape) {
                    long[] shape = sourceShape.clone();
                    shape[shape.length - 1] = count;
                    return shape;
                }

                @Override
                public long source(long row, long column, long[] sourceShape) {
                    return row * sourceShape[sourceShape.length - 1] + storedColumn.applyAsLong(column);
                }
            };
        }

        /**
         * The same of a matrix {@code [out, in]} that is transposed on the way: rows of it become columns.
         *
         * @param count columns of the weight
         * @param storedRow which of the tensor's rows is a column of the weight
         */
        static Layout transposedRows(long count, LongUnaryOperator storedRow) {
            return new Layout() {
                @Override
                public long[] shape(long[] sourceShape) {
                    return new long[] {sourceShape[1], count};
                }

                @Override
                public long source(long row, long column, long[] sourceShape) {
                    return storedRow.applyAsLong(column) * sourceShape[1] + row;
                }
            };
        }
    }

    /** Whether a tensor of this name is expected: read by a rule or ignored. */
    public boolean expects(String tensor) {
        Predicate<Pattern> matches = pattern -> pattern.matcher(tensor).matches();
        return ignored.stream().anyMatch(matches)
                || rules.stream().anyMatch(rule -> rule.sources().contains(tensor));
    }

    /** An empty builder. */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects rules. */
    public static final class Builder {
        private final List<Rule> rules = new ArrayList<>();
        private final List<Pattern> ignored = new ArrayList<>();

        private Builder() {}

        /** A weight that is stored as it is. */
        public Builder asIs(String weight, List<String> sources, long... sourceShape) {
            return rule(weight, sources, Layout.AS_IS, sourceShape);
        }

        /** A weight {@code [in, out]} that is stored as {@code [out, in]}. */
        public Builder transposed(String weight, List<String> sources, long out, long in) {
            return rule(weight, sources, Layout.TRANSPOSED, out, in);
        }

        /** A weight with a layout of its own. */
        public Builder rule(String weight, List<String> sources, Layout layout, long... sourceShape) {
            List<Long> shape = new ArrayList<>();
            for (long size : sourceShape) {
                shape.add(size);
            }
            rules.add(new Rule(weight, sources, shape, layout, 1, 0));
            return this;
        }

        /** Multiplies the elements of the weight whose rule was given last, then adds to them. */
        public Builder scaled(double factor, double summand) {
            Rule last = rules.remove(rules.size() - 1);
            rules.add(new Rule(
                    last.weight(),
                    last.sources(),
                    last.sourceShape(),
                    last.layout(),
                    last.factor() * factor,
                    last.summand() * factor + summand));
            return this;
        }

        /** Tensors that may be there and mean nothing: a regular expression for the whole name. */
        public Builder ignore(String regex) {
            ignored.add(Pattern.compile(regex));
            return this;
        }

        /** The mapping. */
        public WeightMapping build() {
            return new WeightMapping(rules, ignored);
        }
    }
}
