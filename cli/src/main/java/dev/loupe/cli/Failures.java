package dev.loupe.cli;

import dev.loupe.array.OutOfTensorMemoryException;
import dev.loupe.io.IoFailures;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What people are told when something fails: a line or two that say what, where, and what to do. */
final class Failures {

    /** More than this is no message; it is a file that found its way into one. */
    private static final int LONGEST = 2000;

    private static final String OURS = "dev.loupe.";

    /** What Java says of its memory outside of the heap. */
    private static final String DIRECT = "direct";

    private static final Pattern LIMIT = Pattern.compile("limit: (\\d{1,18})");

    private static final String OR_LESS =
            ", or take a smaller model, a narrower --dtype, a shorter prompt or fewer hook points";

    private Failures() {}

    /** The message of a failure. */
    static String message(Throwable failure) {
        return shortened(told(unwrapped(failure)));
    }

    private static Throwable unwrapped(Throwable failure) {
        Throwable cause = failure.getCause();
        boolean wrapper = failure instanceof CompletionException
                || failure instanceof ExecutionException
                || failure instanceof ExceptionInInitializerError
                // Made from its cause alone, without words of its own.
                || (cause != null && cause.toString().equals(failure.getMessage()));
        return wrapper && cause != null ? unwrapped(cause) : failure;
    }

    private static String told(Throwable failure) {
        String message = failure.getMessage();
        if (failure instanceof OutOfMemoryError) {
            return outOfMemory(message);
        }
        if (failure instanceof OutOfTensorMemoryException full) {
            return outOfTensorMemory(full);
        }
        if (failure instanceof FileSystemException system) {
            return (system.getFile() == null ? "A file" : system.getFile()) + ": " + IoFailures.reason(system);
        }
        if (failure instanceof IOException) {
            return IoFailures.reason(failure);
        }
        if (failure instanceof InterruptedException) {
            return "Interrupted";
        }
        if (message == null || message.isBlank() || isOurFault(failure)) {
            return ourFault(failure);
        }
        return withCause(message, failure.getCause());
    }

    /** A message that ends where its cause should have been told. */
    private static String withCause(String message, @Nullable Throwable cause) {
        if (message.endsWith(": null")) {
            String reason = cause == null ? "the reason isn't known" : told(unwrapped(cause));
            return message.substring(0, message.length() - "null".length()) + reason;
        }
        if (message.endsWith(":") && cause != null) {
            return message + " " + told(unwrapped(cause));
        }
        return message;
    }

    private static String outOfMemory(@Nullable String message) {
        String kind = message == null ? "" : message;
        if (kind.contains("native thread")) {
            return "The system allows no more threads (" + kind + "): give fewer with --threads, or raise its limits";
        }
        if (kind.contains("Metaspace") || kind.contains("Compressed class space")) {
            return "Java has no room for classes (" + kind + "): set LOUPE_JAVA_OPTS=-XX:MaxMetaspaceSize=512m or more";
        }
        if (kind.contains(DIRECT)) {
            return "Java's memory outside of its heap is too small for this (" + kind + "): " + moreDirect(kind);
        }
        return "Java's heap of " + (Runtime.getRuntime().maxMemory() >> 20) + " MB is too small for this"
                + (kind.isEmpty() ? "" : " (" + kind + ")") + ": " + moreHeap();
    }

    /** The library's advice is for programs; here it is told how a command does it. */
    private static String outOfTensorMemory(OutOfTensorMemoryException failure) {
        String found = failure.found();
        if (found.equals(failure.getMessage())) {
            return found;
        }
        Throwable cause = failure.getCause();
        String why = found + (cause == null ? "" : " " + cause.getMessage());
        if (why.contains(DIRECT)) {
            return found + ". What to do: " + moreDirect(why);
        }
        return found + ". What to do: "
                + (cause != null || why.contains("Java's own memory")
                        ? moreHeap()
                        : "take a smaller model, a narrower --dtype where one is named, or a --device with more memory");
    }

    private static String moreHeap() {
        long heap = Runtime.getRuntime().maxMemory() >> 20;
        return "allow more with LOUPE_JAVA_OPTS=-Xmx" + Math.max(heap * 2 / 1024, 1) + "g" + OR_LESS;
    }

    private static String moreDirect(String kind) {
        Matcher limit = LIMIT.matcher(kind);
        long most = limit.find()
                ? Long.parseLong(limit.group(1))
                : Runtime.getRuntime().maxMemory();
        return "allow more with LOUPE_JAVA_OPTS=-XX:MaxDirectMemorySize=" + Math.max(2 * most >> 30, 1) + "g" + OR_LESS;
    }

    /** What no input should ever bring about; its message is for those who program. */
    private static boolean isOurFault(Throwable failure) {
        return failure instanceof NullPointerException
                || failure instanceof ClassCastException
                || failure instanceof ArithmeticException
                || failure instanceof NegativeArraySizeException
                || failure instanceof ArrayStoreException
                || failure instanceof ArrayIndexOutOfBoundsException
                || failure instanceof StringIndexOutOfBoundsException
                || failure instanceof NumberFormatException
                || (failure instanceof Error && !(failure instanceof LinkageError));
    }

    private static String ourFault(Throwable failure) {
        StringBuilder text = new StringBuilder("An error in the program: ").append(failure);
        for (StackTraceElement element : failure.getStackTrace()) {
            if (element.getClassName().startsWith(OURS)) {
                text.append(", at ").append(element);
                break;
            }
        }
        return text.append("; please report it with what --stacktrace shows").toString();
    }

    /** A text that fits on a screen and can't steer a terminal, whatever file it came from. */
    static String shortened(String text) {
        StringBuilder visible = new StringBuilder();
        for (int i = 0; i < Math.min(text.length(), LONGEST); i++) {
            char c = text.charAt(i);
            boolean steers = Character.isISOControl(c) && c != '\n' && c != '\t';
            visible.append(steers ? String.format("\\u%04x", (int) c) : String.valueOf(c));
        }
        int left = text.length() - LONGEST;
        return left <= 0 ? visible.toString() : visible + " … (and " + left + " characters more)";
    }
}
