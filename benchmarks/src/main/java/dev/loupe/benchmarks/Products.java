package dev.loupe.benchmarks;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.backend.Backend;
import dev.loupe.backend.Placement;
import dev.loupe.backend.PreparedGraph;
import dev.loupe.backend.Segment;
import dev.loupe.backend.TensorHandle;
import dev.loupe.graph.Dim;
import dev.loupe.graph.Op;
import dev.loupe.graph.TensorType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The products of activations with a model's matrices, and nothing else: what no way of running it can do without. By
 * the engine of a backend, one prepared segment for each matrix; {@link TorchProducts} are libtorch's without a backend.
 */
final class Products implements AutoCloseable {

    private static final Dim ROWS = Dim.symbol("rows");

    private record Product(PreparedGraph graph, TensorHandle matrix, long width) {}

    private final Backend backend;
    private final DType dtype;
    private final List<Product> products = new ArrayList<>();
    private final Map<Shape, TensorHandle> activations = new LinkedHashMap<>();

    /** @param matrices shapes {@code [out, in]} */
    Products(Backend backend, DType dtype, List<Shape> matrices) {
        this.backend = backend;
        this.dtype = dtype;
        for (Shape shape : matrices) {
            long width = shape.size(1);
            TensorHandle matrix =
                    backend.upload(random(dtype, Shape.of(width, shape.size(0))), new Placement(0, 1, true));
            TensorType x = TensorType.of(dtype, ROWS, Dim.of(width));
            TensorType product = TensorType.of(dtype, ROWS, Dim.of(shape.size(0)));
            Segment segment = new Segment(
                    "",
                    Placement.ANYWHERE,
                    false,
                    List.of(x, TensorType.of(dtype, Shape.of(width, shape.size(0))), product),
                    List.of(0),
                    List.of(new Segment.WeightSlot(1, "W")),
                    List.of(new Segment.Step(new Op.MatMul(), List.of(0, 1), List.of(2))),
                    List.of(2));
            products.add(new Product(backend.prepare(segment, name -> matrix), matrix, width));
        }
    }

    static HostTensor random(DType dtype, Shape shape) {
        HostTensor tensor = HostTensor.allocate(dtype, shape);
        // No two neighbours are alike, and none is so small that processors would slow down.
        for (long i = 0; i < shape.elements(); i++) {
            tensor.setDouble(i, (i * 31 % 97 - 48) / 4096.0);
        }
        return tensor;
    }

    /** Each product once, with so many rows. */
    void run(int rows) {
        for (Product product : products) {
            TensorHandle x = activations.computeIfAbsent(
                    Shape.of(rows, product.width()), shape -> backend.upload(random(dtype, shape), Placement.ANYWHERE));
            product.graph().run(List.of(x), List.of(2)).forEach(TensorHandle::close);
        }
    }

    @Override
    public void close() {
        products.forEach(product -> {
            product.graph().close();
            product.matrix().close();
        });
        activations.values().forEach(TensorHandle::close);
    }
}
