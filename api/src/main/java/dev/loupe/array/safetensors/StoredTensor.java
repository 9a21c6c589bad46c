package dev.loupe.array.safetensors;

import dev.loupe.array.DType;
import dev.loupe.array.Shape;
import java.util.Optional;
import org.apiguardian.api.API;

/**
 * What a file says about one of its tensors.
 *
 * @param name the tensor's name
 * @param type the element type as the format spells it: {@code F32}, {@code U8}
 * @param shape the sizes
 * @param begin where its bytes begin, counted from the end of the header
 * @param end where they end
 */
@API(status = API.Status.STABLE, since = "0.1")
public record StoredTensor(String name, String type, Shape shape, long begin, long end) {

    /** The element type; empty if tensors can't have it here ({@code U8}, {@code F8_E4M3}, …). */
    public Optional<DType> dtype() {
        for (DType dtype : DType.values()) {
            if (dtype.safetensorsName().equals(type)) {
                return Optional.of(dtype);
            }
        }
        return Optional.empty();
    }

    /** Type, shape: {@code F32 [113, 24]}. */
    public String describe() {
        return type + " " + shape;
    }
}
