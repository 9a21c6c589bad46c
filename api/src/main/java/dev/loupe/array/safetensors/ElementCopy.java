package dev.loupe.array.safetensors;

import dev.loupe.array.DType;
import dev.loupe.array.HalfFloats;
import dev.loupe.array.HostTensor;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;

/** Copies elements out of a file's bytes, from their type to a tensor's. */
final class ElementCopy {

    private static final int CHUNK = 4096;

    private ElementCopy() {}

    /**
     * Copies all elements in {@code source}, which are little-endian.
     *
     * @param at the first element of {@code target} that is written; they fit into the part that holds it
     */
    static void copy(ByteBuffer source, DType type, HostTensor target, long at) {
        int count = source.remaining() / type.bytes();
        ByteBuffer destination = target.from(at).limit(count * target.dtype().bytes());
        if (type == target.dtype()) {
            copySame(source, type.bytes(), destination);
        } else if (type.bytes() == 2 && target.dtype() == DType.FLOAT32) {
            widen(source.asShortBuffer(), type, destination.asFloatBuffer());
        } else {
            for (int i = 0; i < count; i++) {
                target.setDouble(at + i, element(source, type, i));
            }
        }
    }

    /** By way of arrays, whose loops are compiled in a fraction of the time that those over buffers take. */
    private static void widen(ShortBuffer from, DType type, FloatBuffer to) {
        short[] narrow = new short[Math.min(CHUNK, from.remaining())];
        float[] wide = new float[narrow.length];
        while (from.hasRemaining()) {
            int count = Math.min(narrow.length, from.remaining());
            from.get(narrow, 0, count);
            if (type == DType.BFLOAT16) {
                for (int i = 0; i < count; i++) {
                    wide[i] = HalfFloats.fromBfloat16(narrow[i]);
                }
            } else {
                for (int i = 0; i < count; i++) {
                    wide[i] = HalfFloats.fromFloat16(narrow[i]);
                }
            }
            to.put(wide, 0, count);
        }
    }

    /** Buffers of one width swap bytes by themselves where the two orders differ. */
    static void copySame(ByteBuffer source, int width, ByteBuffer destination) {
        switch (width) {
            case 1 -> destination.put(source);
            case 2 -> destination.asShortBuffer().put(source.asShortBuffer());
            case 4 -> destination.asIntBuffer().put(source.asIntBuffer());
            default -> destination.asLongBuffer().put(source.asLongBuffer());
        }
    }

    private static double element(ByteBuffer source, DType type, int index) {
        return switch (type) {
            case FLOAT32 -> source.getFloat(index * 4);
            case FLOAT64 -> source.getDouble(index * 8);
            case FLOAT16 -> HalfFloats.fromFloat16(source.getShort(index * 2));
            case BFLOAT16 -> HalfFloats.fromBfloat16(source.getShort(index * 2));
            case INT64 -> source.getLong(index * 8);
            case INT32 -> source.getInt(index * 4);
            case BOOL -> source.get(index);
        };
    }
}
