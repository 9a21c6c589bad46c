package dev.loupe.conformance.measures;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How much memory of this process outside the Java heap is resident. Only where the operating system tells it for each
 * mapping ({@code /proc/self/smaps}, Linux), and the Java virtual machine where its heap lies (HotSpot's diagnostic
 * commands): the pages of a heap come and go by its own rules and would drown everything else.
 */
final class NativeMemory {

    private static final Path MAPPINGS = Path.of("/proc/self/smaps");
    private static final Pattern MAPPING = Pattern.compile("([0-9a-f]+)-([0-9a-f]+) (..)(.).*");
    private static final Pattern RESIDENT = Pattern.compile("Rss: +(\\d+) kB.*");
    private static final Pattern HEAP = Pattern.compile("\\[0x([0-9a-f]+),(?: 0x[0-9a-f]+,)? 0x([0-9a-f]+)\\)");

    private NativeMemory() {}

    private record Range(long start, long end) {
        boolean meets(Range other) {
            return Long.compareUnsigned(start, other.end) < 0 && Long.compareUnsigned(other.start, end) < 0;
        }
    }

    /** The bytes; 0 where nobody tells them. */
    static long resident() {
        List<Range> heap = heap();
        if (heap.isEmpty() || !Files.isReadable(MAPPINGS)) {
            return 0;
        }
        // What was freed and not yet given back would be taken first by what leaks, and hide it.
        Diagnostics.command("systemTrimNativeHeap");
        long kibibytes = 0;
        boolean counts = false;
        try {
            for (String line : Files.readAllLines(MAPPINGS, StandardCharsets.ISO_8859_1)) {
                Matcher mapping = MAPPING.matcher(line);
                Matcher resident = RESIDENT.matcher(line);
                if (mapping.matches()) {
                    Range range = range(mapping);
                    // Not what is executed: compiled code grows while a program warms up.
                    counts = !mapping.group(4).equals("x") && heap.stream().noneMatch(range::meets);
                } else if (counts && resident.matches()) {
                    kibibytes += Long.parseLong(resident.group(1));
                }
            }
        } catch (IOException e) {
            return 0;
        }
        return kibibytes * 1024;
    }

    /** Where the heap lies, as far as its collector says so. */
    private static List<Range> heap() {
        List<Range> ranges = new ArrayList<>();
        Matcher found = HEAP.matcher(Diagnostics.command("gcHeapInfo"));
        while (found.find()) {
            ranges.add(range(found));
        }
        return ranges;
    }

    private static Range range(Matcher found) {
        return new Range(Long.parseUnsignedLong(found.group(1), 16), Long.parseUnsignedLong(found.group(2), 16));
    }
}
