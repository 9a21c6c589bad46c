package dev.loupe.conformance.measures;

import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Objects;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import javax.management.openmbean.CompositeData;
import org.jspecify.annotations.Nullable;

/** What HotSpot answers and lets be set while it runs; other virtual machines answer nothing. */
final class Diagnostics {

    private Diagnostics() {}

    /** What a diagnostic command without arguments answers; the empty text where there is none. */
    static String command(String name) {
        return Objects.requireNonNullElse(invoke("DiagnosticCommand", name), "").toString();
    }

    /** The value of an option; the empty text where there is none. */
    static String option(String name) {
        return invoke("HotSpotDiagnostic", "getVMOption", name) instanceof CompositeData option
                ? String.valueOf(option.get("value"))
                : "";
    }

    /** Sets an option, where that can be done. */
    static void set(String name, String value) {
        invoke("HotSpotDiagnostic", "setVMOption", name, value);
    }

    private static @Nullable Object invoke(String bean, String operation, String... arguments) {
        try {
            MBeanServer server = ManagementFactory.getPlatformMBeanServer();
            String[] types = new String[arguments.length];
            Arrays.fill(types, String.class.getName());
            ObjectName name = new ObjectName("com.sun.management:type=" + bean);
            return server.invoke(name, operation, arguments, types);
        } catch (JMException | RuntimeException e) {
            return null;
        }
    }
}
