package dev.loupe.architectures.processing;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architectures.decoder.DecoderWeights;
import java.util.Optional;

/** Processes one block: queries with keys, values with the output, then the MLP. */
final class BlockProcessing {

    private final ProcessingSteps steps;
    private final WeightFlow flow;
    private final TransformerConfig config;
    private final int layer;
    private final String attention;
    private final String mlp;

    BlockProcessing(ProcessingSteps steps, WeightFlow flow, int layer) {
        this.steps = steps;
        this.flow = flow;
        this.config = steps.config();
        this.layer = layer;
        this.attention = DecoderWeights.inBlock(layer, "attn.");
        this.mlp = DecoderWeights.inBlock(layer, "mlp.");
    }

    void run() {
        boolean normed = config.block(layer).norms().before();
        NormFolding norm = NormFolding.read(steps, flow, DecoderWeights.inBlock(layer, "ln1"), normed);
        queriesAndKeys(norm);
        valuesAndOutput(norm);
        if (config.dMlp() > 0) {
            mlp(NormFolding.read(steps, flow, DecoderWeights.inBlock(layer, "ln2"), normed));
        }
    }

    private void queriesAndKeys(NormFolding norm) {
        if (steps.refactorQueryKey()) {
            Reader queries = norm.fold(attention, "Q", true);
            Reader keys = norm.fold(attention, "K", true);
            boolean biased = queries.bias().isPresent() || keys.bias().isPresent();
            Reader q = biased ? withBias(queries) : queries;
            Reader k = biased ? withBias(keys) : keys;
            HeadFactors.balanceQueriesAndKeys(config, q, k);
            push("Q", q);
            push("K", k);
        } else if (steps.foldLn()) {
            push("Q", norm.fold(attention, "Q", true));
            push("K", norm.fold(attention, "K", true));
        }
    }

    private static Reader withBias(Reader reader) {
        WeightMatrix matrix = reader.matrix();
        int width = Math.toIntExact(matrix.tensor().shape().size(1));
        return reader.bias().isPresent()
                ? reader
                : new Reader(matrix, Optional.of(matrix.vectorLike(new double[width])));
    }

    private void valuesAndOutput(NormFolding norm) {
        boolean output = steps.centerWritingWeights() || steps.foldValueBiases() || steps.refactorValueOutput();
        if (!output && !steps.foldLn()) {
            return;
        }
        Reader values = norm.fold(attention, "V", true);
        Optional<double[]> valueBias = steps.foldValueBiases()
                ? values.bias().map(bias -> HeadFactors.spreadOverGroups(config, bias.row(0)))
                : Optional.empty();
        Reader kept = steps.foldValueBiases() ? new Reader(values.matrix(), Optional.empty()) : values;
        if (!output) {
            push("V", kept);
            return;
        }
        if (!steps.refactorValueOutput()) {
            push("V", kept);
        }
        WeightMatrix matrix = flow.pull(attention + "W_O");
        Optional<WeightMatrix> bias = flow.pullIfThere(attention + "b_O");
        if (steps.centerWritingWeights()) {
            matrix.centreRows();
            bias.ifPresent(WeightMatrix::centreRows);
        }
        Optional<WeightMatrix> shifted = valueBias
                .map(vector -> {
                    WeightMatrix sum = bias.orElseGet(() -> matrix.vectorLike(new double[config.dModel()]));
                    sum.addToRows(matrix.multipliedFromLeft(vector));
                    return sum;
                })
                .or(() -> bias);
        if (steps.refactorValueOutput()) {
            HeadFactors.balanceValuesAndOutput(config, kept.matrix(), matrix);
            push("V", kept);
        }
        push("O", new Reader(matrix, shifted));
    }

    private void push(String name, Reader projection) {
        flow.push(attention + "W_" + name, projection.matrix());
        projection.bias().ifPresent(bias -> flow.push(attention + "b_" + name, bias));
    }

    private void mlp(NormFolding norm) {
        if (steps.foldLn()) {
            fold(norm, "in", true);
            if (config.gatedMlp()) {
                fold(norm, "gate", false);
            }
        }
        if (steps.centerWritingWeights()) {
            centre("W_out");
            centre("b_out");
        }
    }

    private void fold(NormFolding norm, String name, boolean centre) {
        Reader projection = norm.fold(mlp, name, centre);
        flow.push(mlp + "W_" + name, projection.matrix());
        projection.bias().ifPresent(bias -> flow.push(mlp + "b_" + name, bias));
    }

    private void centre(String name) {
        flow.pullIfThere(mlp + name).ifPresent(weight -> {
            weight.centreRows();
            flow.push(mlp + name, weight);
        });
    }
}
