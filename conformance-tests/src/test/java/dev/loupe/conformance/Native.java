package dev.loupe.conformance;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;

/**
 * Memory of the C library, which neither the Java heap nor its buffers count. By name, since Java 17 has no other way
 * to it without native code, and compilers warn of this one.
 */
final class Native {

    private static final MethodHandle TAKE = method("allocateMemory", MethodType.methodType(long.class, long.class));
    private static final MethodHandle FREE = method("freeMemory", MethodType.methodType(void.class, long.class));
    private static final MethodHandle FILL =
            method("setMemory", MethodType.methodType(void.class, long.class, long.class, byte.class));

    private final List<Long> taken = new ArrayList<>();

    private static MethodHandle method(String name, MethodType type) {
        try {
            Class<?> unsafe = Class.forName("sun.misc.Unsafe");
            Field only = unsafe.getDeclaredField("theUnsafe");
            only.setAccessible(true);
            return MethodHandles.lookup().findVirtual(unsafe, name, type).bindTo(only.get(null));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("This Java has no sun.misc.Unsafe with " + name, e);
        }
    }

    /** Takes some, and writes to all of it: what nobody touched takes no room. */
    synchronized void take(long bytes) {
        try {
            long address = (long) TAKE.invokeExact(bytes);
            taken.add(address);
            FILL.invokeExact(address, bytes, (byte) 1);
        } catch (Throwable e) {
            throw new IllegalStateException("Can't take " + bytes + " bytes", e);
        }
    }

    /** Gives all of it back. */
    synchronized void free() {
        try {
            for (long address : taken) {
                FREE.invokeExact(address);
            }
            taken.clear();
        } catch (Throwable e) {
            throw new IllegalStateException("Can't free memory", e);
        }
    }
}
