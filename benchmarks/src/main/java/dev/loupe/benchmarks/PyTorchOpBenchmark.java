package dev.loupe.benchmarks;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.Backends;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Op;
import dev.loupe.tensor.Tensor;
import dev.loupe.tensor.TensorFactory;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What an operation costs on DJL's arrays, as the backend {@code pytorch} runs it within a model ({@code …InRun}), and
 * as a method of {@link Tensor}, which also looks after its memory.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1)
@SuppressWarnings("NullAway.Init")
public class PyTorchOpBenchmark {

    private static final Op ADD = new Op.Binary(Op.BinaryKind.ADD);
    private static final Op MATMUL = new Op.MatMul();
    private static final Op SOFTMAX = new Op.Softmax(1);

    @Param({"1", "64"})
    private int size;

    private Backend backend;
    private NDManager manager;
    private Tensor x;
    private NDArray array;
    private List<TensorHandle> one;
    private List<TensorHandle> two;

    /** Makes the operands. */
    @Setup
    public void setUp() {
        backend = Backends.open("pytorch", BackendOptions.DEFAULT.withThreads(1));
        manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
        x = new TensorFactory(backend).randn(1, size, size);
        array = manager.create(x.toFloatArray(), new ai.djl.ndarray.types.Shape(size, size));
        one = List.of(x.handle());
        two = List.of(x.handle(), x.handle());
    }

    /** Frees them. */
    @TearDown
    public void tearDown() {
        manager.close();
        backend.close();
    }

    private int run(Op op, List<TensorHandle> inputs) {
        List<TensorHandle> outputs = backend.execute(op, inputs);
        outputs.get(0).close();
        return outputs.size();
    }

    @Benchmark
    public void addOnNDArray() {
        array.add(array).close();
    }

    @Benchmark
    public int addInRun() {
        return run(ADD, two);
    }

    @Benchmark
    public void addOnTensor() {
        x.add(x).close();
    }

    @Benchmark
    public void matmulOnNDArray() {
        array.matMul(array).close();
    }

    @Benchmark
    public int matmulInRun() {
        return run(MATMUL, two);
    }

    @Benchmark
    public void matmulOnTensor() {
        x.matmul(x).close();
    }

    @Benchmark
    public void softmaxOnNDArray() {
        array.softmax(1).close();
    }

    @Benchmark
    public int softmaxInRun() {
        return run(SOFTMAX, one);
    }

    @Benchmark
    public void softmaxOnTensor() {
        x.softmax(1).close();
    }
}
