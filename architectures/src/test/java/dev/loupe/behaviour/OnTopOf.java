package dev.loupe.behaviour;

import dev.loupe.backend.Backend;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.function.BiConsumer;

/** A backend that hands everything on to another, and is watched, or disturbed, while it does. */
final class OnTopOf {

    private OnTopOf() {}

    /**
     * A backend on top of another.
     *
     * @param watcher told of each call beforehand, by the method's name and its arguments; what it throws, the call throws
     */
    static Backend backend(Backend real, BiConsumer<String, Object[]> watcher) {
        InvocationHandler handler = (proxy, method, arguments) -> {
            watcher.accept(method.getName(), arguments == null ? new Object[0] : arguments);
            try {
                return method.invoke(real, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        };
        return (Backend)
                Proxy.newProxyInstance(Backend.class.getClassLoader(), new Class<?>[] {Backend.class}, handler);
    }
}
