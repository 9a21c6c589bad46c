package dev.loupe.conformance.measures;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/**
 * How much memory of this process outside the Java heap is resident. Only where the operating system tells it for each
 * mapping ({@code /proc/self/smaps}, Linux), and the Java virtual machine where its heap lies (HotSpot's diagnostic
 * commands): the pages of a heap come and go by its own rules and would drown everything else.
 */
final class NativeMemory {

    private static final Path MAPPINGS = Path.of("/proc/self/smaps");
    private static final Pattern MAPPING = Pattern.compile("([0-9a-f]+)-([0-9a-f]+) .*");
    private static final Pattern RESIDENT = Pattern.compile("Rss: +(\\d+) kB.*");
    private static final Pattern HEAP = Pattern.compile("\\[0x([0-9a-f]+),(?: 0x[0-9a-f]+,)? 0x([0-9a-f]+)\\)");

    private NativeMemory() {}

    private record Range(long start, long end) {
        boolean meets(Range other) {
            return Long.compareUnsigned(start, other.end) < 0 && Long.compareUnsigned(other.start, end) < 0;
        }
    }

    /** The bytes; empty where nobody tells them. */
    static OptionalLong resident() {
        List<Range> heap = heap();
        if (heap.isEmpty() || !Files.isReadable(MAPPINGS)) {
            return OptionalLong.empty();
        }
        // What was freed and not yet given back would be taken first by what leaks, and hide it.
        command("systemTrimNativeHeap");
        long kibibytes = 0;
        boolean counts = false;
        try {
            for (String line : Files.readAllLines(MAPPINGS, StandardCharsets.ISO_8859_1)) {
                Matcher mapping = MAPPING.matcher(line);
                Matcher resident = RESIDENT.matcher(line);
                if (mapping.matches()) {
                    Range range = range(mapping);
                    counts = heap.stream().noneMatch(range::meets);
                } else if (counts && resident.matches()) {
                    kibibytes += Long.parseLong(resident.group(1));
                }
            }
        } catch (IOException e) {
            return OptionalLong.empty();
        }
        return OptionalLong.of(kibibytes * 1024);
    }

    /** Where the heap lies, as far as its collector says so. */
    private static List<Range> heap() {
        List<Range> ranges = new ArrayList<>();
        Matcher found = HEAP.matcher(command("gcHeapInfo"));
        while (found.find()) {
            ranges.add(range(found));
        }
        return ranges;
    }

    private static Range range(Matcher found) {
        return new Range(Long.parseUnsignedLong(found.group(1), 16), Long.parseUnsignedLong(found.group(2), 16));
    }

    /** What one of the virtual machine's diagnostic commands answers; nothing where it has no such command. */
    private static String command(String name) {
        try {
            MBeanServer server = ManagementFactory.getPlatformMBeanServer();
            ObjectName commands = new ObjectName("com.sun.management:type=DiagnosticCommand");
            return String.valueOf(server.invoke(commands, name, new Object[0], new String[0]));
        } catch (JMException e) {
            return "";
        }
    }
}
