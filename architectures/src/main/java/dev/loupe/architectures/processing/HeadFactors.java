package dev.loupe.architectures.processing;

import dev.loupe.architecture.TransformerConfig;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;

/**
 * Factors the products that a head is made of anew. Heads that share keys and values are factored together,
 * their side by side as one matrix, so that they still share them afterwards.
 */
final class HeadFactors {

    private HeadFactors() {}

    /** The vector of each key/value head, {@code kv·d_head} entries, for each of the query heads that read it. */
    static double[] spreadOverGroups(TransformerConfig config, double[] perKeyValueHead) {
        int width = config.dHead();
        int group = config.nHeads() / config.nKeyValueHeads();
        double[] spread = new double[config.nHeads() * width];
        for (int head = 0; head < config.nHeads(); head++) {
            System.arraycopy(perKeyValueHead, head / group * width, spread, head * width, width);
        }
        return spread;
    }

    /** {@code W_V·W_O} of each head, the biases of the values being folded already. */
    static void balanceValuesAndOutput(TransformerConfig config, WeightMatrix values, WeightMatrix output) {
        int width = config.dHead();
        int group = config.nHeads() / config.nKeyValueHeads();
        int dModel = config.dModel();
        for (int kv = 0; kv < config.nKeyValueHeads(); kv++) {
            DMatrixRMaj right = new DMatrixRMaj(width, group * dModel);
            for (int member = 0; member < group; member++) {
                CommonOps_DDRM.insert(
                        output.block((kv * group + member) * width, width, 0, dModel), right, 0, member * dModel);
            }
            EvenFactors even = EvenFactors.of(values.block(0, dModel, kv * width, width), right);
            values.setBlock(0, dModel, kv * width, even.left(), 0);
            for (int member = 0; member < group; member++) {
                DMatrixRMaj part =
                        CommonOps_DDRM.extract(even.right(), 0, width, member * dModel, (member + 1) * dModel);
                output.setBlock((kv * group + member) * width, width, 0, part, 0);
            }
        }
    }

    /** {@code W_Q·W_Kᵀ} of each head, with the biases, if there are any, as one more row of each. */
    static void balanceQueriesAndKeys(TransformerConfig config, Reader queries, Reader keys) {
        int width = config.dHead();
        int group = config.nHeads() / config.nKeyValueHeads();
        int rows = config.dModel() + (keys.bias().isPresent() ? 1 : 0);
        for (int kv = 0; kv < config.nKeyValueHeads(); kv++) {
            DMatrixRMaj left = new DMatrixRMaj(group * rows, width);
            for (int member = 0; member < group; member++) {
                CommonOps_DDRM.insert(effective(config, queries, kv * group + member), left, member * rows, 0);
            }
            DMatrixRMaj right = CommonOps_DDRM.transpose(effective(config, keys, kv), null);
            EvenFactors even = EvenFactors.of(left, right);
            for (int member = 0; member < group; member++) {
                setEffective(config, queries, kv * group + member, even.left(), member * rows);
            }
            setEffective(config, keys, kv, CommonOps_DDRM.transpose(even.right(), null), 0);
        }
    }

    private static DMatrixRMaj effective(TransformerConfig config, Reader projection, int head) {
        int width = config.dHead();
        int rows = config.dModel();
        DMatrixRMaj all = new DMatrixRMaj(projection.bias().isPresent() ? rows + 1 : rows, width);
        CommonOps_DDRM.insert(projection.matrix().block(0, rows, head * width, width), all, 0, 0);
        projection.bias().ifPresent(bias -> CommonOps_DDRM.insert(bias.block(0, 1, head * width, width), all, rows, 0));
        return all;
    }

    private static void setEffective(
            TransformerConfig config, Reader projection, int head, DMatrixRMaj source, int sourceRow) {
        int width = config.dHead();
        projection.matrix().setBlock(0, config.dModel(), head * width, source, sourceRow);
        projection.bias().ifPresent(bias -> bias.setBlock(0, 1, head * width, source, sourceRow + config.dModel()));
    }
}
