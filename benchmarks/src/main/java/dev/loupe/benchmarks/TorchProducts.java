package dev.loupe.benchmarks;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * A model's products by bare calls of libtorch: {@code torch.linear} with weights as {@code [out, in]}, as Hugging Face
 * has them. The backend {@code pytorch} must have been opened before, which loads libtorch quietly.
 */
final class TorchProducts implements AutoCloseable {

    private static final String SOURCE = """
            class Products(Module):
              __parameters__ = []
              __buffers__ = []
              training : bool
              def linear(self: __torch__.Products, x: Tensor, weight: Tensor) -> Tensor:
                return torch.linear(x, weight)
              def to_bfloat16(self: __torch__.Products, x: Tensor) -> Tensor:
                return torch.to(x, 15)
            """;

    private final DType dtype;
    private final PtNDManager manager = (PtNDManager) NDManager.newBaseManager(Device.cpu(), "PyTorch");
    private final PtSymbolBlock module;
    private final List<PtNDArray> matrices = new ArrayList<>();
    private final List<Long> widths = new ArrayList<>();
    private final Map<Shape, PtNDArray> activations = new LinkedHashMap<>();

    /** @param shapes {@code [out, in]} */
    TorchProducts(DType dtype, List<Shape> shapes) {
        this.dtype = dtype;
        this.module = module();
        for (Shape shape : shapes) {
            matrices.add(random(shape));
            widths.add(shape.size(1));
        }
    }

    private PtSymbolBlock module() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            // Pickle, protocol 2: an object of the class Products with the attribute training = False.
            put(zip, "data.pkl", "\u0080\u0002c__torch__\nProducts\n)\u0081}(X\b\u0000\u0000\u0000training\u0089ub.");
            put(zip, "code/__torch__.py", SOURCE);
            put(zip, "constants.pkl", "\u0080\u0002).");
            put(zip, "version", "10\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        try {
            return JniUtils.loadModule(manager, new ByteArrayInputStream(bytes.toByteArray()), false, false);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void put(ZipOutputStream zip, String name, String content) throws IOException {
        zip.putNextEntry(new ZipEntry("products/" + name));
        zip.write(content.getBytes(StandardCharsets.ISO_8859_1));
        zip.closeEntry();
    }

    private PtNDArray random(Shape shape) {
        PtNDArray wide = (PtNDArray)
                manager.randomUniform(-0.02f, 0.02f, new ai.djl.ndarray.types.Shape(shape.toArray()), DataType.FLOAT32);
        if (dtype == DType.FLOAT32) {
            return wide;
        }
        try (wide) {
            return call("to_bfloat16", wide);
        }
    }

    private PtNDArray call(String method, PtNDArray... arguments) {
        IValue[] values = new IValue[arguments.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = IValue.from(arguments[i]);
        }
        try (IValue result = IValueUtils.runMethod(module, method, values)) {
            return result.toTensor(manager);
        } finally {
            for (IValue value : values) {
                value.close();
            }
        }
    }

    /** Each product once, with so many rows. */
    void run(int rows) {
        JniUtils.setGradMode(false);
        JniUtils.setGraphExecutorOptimize(false);
        for (int i = 0; i < matrices.size(); i++) {
            PtNDArray x = activations.computeIfAbsent(Shape.of(rows, widths.get(i)), this::random);
            call("linear", x, matrices.get(i)).close();
        }
    }

    @Override
    public void close() {
        manager.close();
    }
}
