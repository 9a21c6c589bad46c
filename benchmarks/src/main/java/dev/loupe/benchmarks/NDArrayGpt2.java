package dev.loupe.benchmarks;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import dev.loupe.model.Tokens;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A transformer of GPT-2-small's size written by hand on DJL's arrays, without Loupe: what a forward pass costs at
 * the least. Same operations in the same order as {@link Gpt2Small}'s, attention step by step; the layer norms get a
 * weight of 1 and a bias of 0, since DJL has none without, and the activation is the GELU of the error function,
 * since DJL has none of the tanh.
 */
final class NDArrayGpt2 implements AutoCloseable {

    private static final int LAYERS = 12;
    private static final int WIDTH = 768;
    private static final int HEADS = 12;
    private static final int HEAD = WIDTH / HEADS;
    private static final int VOCABULARY = 50257;

    private final NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
    private final NDArray embedding = normal(VOCABULARY, WIDTH);
    private final NDArray positions = normal(1024, WIDTH);
    private final NDArray unembedding = normal(WIDTH, VOCABULARY);
    private final NDArray unembeddingBias = manager.zeros(new Shape(VOCABULARY));
    private final NDArray ones = manager.ones(new Shape(WIDTH));
    private final NDArray zeros = manager.zeros(new Shape(WIDTH));
    private final NDArray scale = scalar((float) (1 / Math.sqrt(HEAD)));
    private final NDArray minusInfinity = scalar(Float.NEGATIVE_INFINITY);
    private final List<Block> blocks = new ArrayList<>();

    /** Keys and values of the tokens so far, of each layer. */
    record Cache(List<NDArray> keys, List<NDArray> values) {}

    private final class Block {
        private final NDArray[] projections = {normal(WIDTH, WIDTH), normal(WIDTH, WIDTH), normal(WIDTH, WIDTH)};
        private final NDArray output = normal(WIDTH, WIDTH);
        private final NDArray in = normal(WIDTH, 4 * WIDTH);
        private final NDArray inBias = manager.zeros(new Shape(4 * WIDTH));
        private final NDArray out = normal(4 * WIDTH, WIDTH);
    }

    NDArrayGpt2() {
        for (int i = 0; i < LAYERS; i++) {
            blocks.add(new Block());
        }
    }

    private NDArray normal(long... sizes) {
        return manager.randomNormal(0, 0.02f, new Shape(sizes), DataType.FLOAT32);
    }

    private NDArray scalar(float value) {
        return manager.full(new Shape(), value, DataType.FLOAT32);
    }

    /** Logits of all positions, read at one place. */
    float forward(Tokens tokens) {
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            int count = tokens.positions();
            NDArray ids = manager.create(flat(tokens), new Shape(tokens.batch(), count));
            NDArray logits = logits(ids, positions.get(new NDIndex("0:" + count)), causal(count), null);
            return logits.get(0, 0, 0).getFloat();
        }
    }

    /** Continues with the best token, so many times. */
    long decode(Tokens prompt, int steps) {
        try (NDScope scope = new NDScope()) {
            scope.suppressNotUsedWarning();
            Cache cache = new Cache(new ArrayList<>(), new ArrayList<>());
            int count = prompt.positions();
            NDArray ids = manager.create(flat(prompt), new Shape(prompt.batch(), count));
            NDArray mask = causal(count);
            long last = 0;
            for (int step = 0; step < steps; step++) {
                int past = step == 0 ? 0 : count++;
                int fresh = step == 0 ? count : 1;
                try (NDScope inner = new NDScope()) {
                    inner.suppressNotUsedWarning();
                    NDArray place = positions.get(new NDIndex(past + ":" + (past + fresh)));
                    NDArray logits = logits(ids, place, mask, cache);
                    last = logits.get(new NDIndex(":, -1")).argMax(-1).getLong();
                    cache.keys().forEach(NDScope::unregister);
                    cache.values().forEach(NDScope::unregister);
                }
                ids = manager.create(new long[] {last}, new Shape(1, 1));
                mask = manager.ones(new Shape(1, 1, 1, count + 1), DataType.BOOLEAN);
            }
            cache.keys().forEach(NDArray::close);
            cache.values().forEach(NDArray::close);
            return last;
        }
    }

    private static long[] flat(Tokens tokens) {
        long[] flat = new long[tokens.batch() * tokens.positions()];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = tokens.id(i / tokens.positions(), i % tokens.positions());
        }
        return flat;
    }

    private NDArray causal(int count) {
        NDArray index = manager.arange(count);
        return index.reshape(1, count).lte(index.reshape(count, 1)).reshape(1, 1, count, count);
    }

    private NDArray logits(NDArray ids, NDArray place, NDArray mask, @Nullable Cache cache) {
        NDArray residual = JniUtils.embedding((PtNDArray) ids, (PtNDArray) embedding, false)
                .add(place);
        for (int layer = 0; layer < LAYERS; layer++) {
            residual = block(blocks.get(layer), layer, residual, mask, cache);
        }
        return linear(norm(residual), unembedding, unembeddingBias);
    }

    private NDArray block(Block block, int layer, NDArray residual, NDArray mask, @Nullable Cache cache) {
        long batch = residual.getShape().get(0);
        long fresh = residual.getShape().get(1);
        NDArray x = norm(residual);
        NDArray[] qkv = new NDArray[3];
        for (int i = 0; i < 3; i++) {
            qkv[i] = linear(x, block.projections[i], zeros).reshape(batch, fresh, HEADS, HEAD);
        }
        if (cache != null) {
            qkv[1] = extend(cache.keys(), layer, qkv[1]);
            qkv[2] = extend(cache.values(), layer, qkv[2]);
        }
        NDArray scores = qkv[0].transpose(0, 2, 1, 3).matMul(qkv[1].transpose(0, 2, 3, 1));
        NDArray masked = NDArrays.where(mask.broadcast(scores.getShape()), scores.mul(scale), minusInfinity);
        NDArray mixed = masked.softmax(-1).matMul(qkv[2].transpose(0, 2, 1, 3));
        NDArray z = mixed.transpose(0, 2, 1, 3).reshape(batch, fresh, WIDTH);
        NDArray middle = residual.add(linear(z, block.output, zeros));
        NDArray hidden = JniUtils.gelu((PtNDArray) linear(norm(middle), block.in, block.inBias));
        return middle.add(linear(hidden, block.out, zeros));
    }

    private static NDArray extend(List<NDArray> cache, int layer, NDArray fresh) {
        if (cache.size() <= layer) {
            cache.add(fresh.duplicate());
            return fresh;
        }
        NDArray all = NDArrays.concat(new NDList(cache.get(layer), fresh), 1);
        cache.get(layer).close();
        cache.set(layer, all);
        return all;
    }

    private NDArray norm(NDArray x) {
        return JniUtils.layerNorm((PtNDArray) x, new Shape(WIDTH), (PtNDArray) ones, (PtNDArray) zeros, 1e-5);
    }

    private static NDArray linear(NDArray x, NDArray weight, NDArray bias) {
        return x.matMul(weight).add(bias);
    }

    @Override
    public void close() {
        manager.close();
    }
}
