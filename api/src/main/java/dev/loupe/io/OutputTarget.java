package dev.loupe.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What stands where a file is to be written, at the end of all links. */
final class OutputTarget {

    private static final int MOST_LINKS = 40;

    // The kinds of files in Unix' mode, see inode(7).
    private static final int KIND = 0170000;
    private static final int FIFO = 0010000;
    private static final int CHARACTER_DEVICE = 0020000;
    private static final int BLOCK_DEVICE = 0060000;
    private static final int SOCKET = 0140000;

    private static final Set<PosixFilePermission> OF_GROUP = EnumSet.of(
            PosixFilePermission.GROUP_READ, PosixFilePermission.GROUP_WRITE, PosixFilePermission.GROUP_EXECUTE);

    private final Path path;
    private final boolean stream;
    private final boolean regular;
    private final @Nullable PosixFileAttributes replaced;

    private OutputTarget(Path path, boolean stream, boolean regular, @Nullable PosixFileAttributes replaced) {
        this.path = path;
        this.stream = stream;
        this.regular = regular;
        this.replaced = replaced;
    }

    /**
     * Looks at what is there.
     *
     * @throws IOException if nothing can be written there; the message says why
     */
    static OutputTarget of(Path given) throws IOException {
        Path absolute = given.toAbsolutePath();
        if (!Files.exists(absolute)) {
            return absent(endOfLinks(absolute));
        }
        BasicFileAttributes found = Files.readAttributes(absolute, BasicFileAttributes.class);
        if (found.isDirectory()) {
            throw new IOException("it is a folder");
        }
        if (!Files.isWritable(absolute)) {
            throw new IOException("it is there, and may not be written to");
        }
        if (found.isOther()) {
            return stream(absolute);
        }
        if (isOpenFileOfAProcess(absolute)) {
            throw new IOException("it is a file that a process has open; give the file's own name");
        }
        Path real = absolute.toRealPath();
        requireWritable(real.getParent());
        PosixFileAttributeView posix = Files.getFileAttributeView(real, PosixFileAttributeView.class);
        return new OutputTarget(real, false, true, posix == null ? null : posix.readAttributes());
    }

    /** Whether one of the links is like {@code /dev/stdout}: whoever redirected it there is at work in the file. */
    private static boolean isOpenFileOfAProcess(Path start) throws IOException {
        for (Path link : links(start)) {
            Path folder = link.getParent();
            if (folder != null && folder.toRealPath().startsWith("/proc")) {
                return true;
            }
        }
        return false;
    }

    private static OutputTarget absent(Path path) throws IOException {
        if (path.getFileName() == null) {
            throw new IOException("it is a folder");
        }
        requireWritable(path.getParent());
        return new OutputTarget(path, false, false, null);
    }

    private static void requireWritable(@Nullable Path folder) throws IOException {
        if (folder == null || !Files.exists(folder)) {
            throw new IOException("there is no folder " + folder);
        }
        if (!Files.isDirectory(folder)) {
            throw new IOException(folder + " isn't a folder");
        }
        if (!Files.isWritable(folder)) {
            throw new IOException("no file can be made in the folder " + folder + ", permission denied");
        }
    }

    /** A link to a file that isn't there yet says where it is to be. */
    private static Path endOfLinks(Path start) throws IOException {
        List<Path> links = links(start);
        return links.isEmpty() ? start : next(links.get(links.size() - 1));
    }

    /** The path, if it is a link, and the links that it leads to. */
    private static List<Path> links(Path start) throws IOException {
        List<Path> links = new ArrayList<>();
        for (Path path = start; Files.isSymbolicLink(path); path = next(path)) {
            if (links.size() == MOST_LINKS) {
                throw new IOException("its links lead in a circle");
            }
            links.add(path);
        }
        return links;
    }

    private static Path next(Path link) throws IOException {
        return link.resolveSibling(Files.readSymbolicLink(link));
    }

    private static OutputTarget stream(Path path) throws IOException {
        if (path.getFileSystem().supportedFileAttributeViews().contains("unix")) {
            int kind = (Integer) Files.getAttribute(path, "unix:mode") & KIND;
            if (kind != FIFO && kind != CHARACTER_DEVICE) {
                throw new IOException("it is "
                        + (kind == BLOCK_DEVICE ? "a disk" : kind == SOCKET ? "a socket" : "no file")
                        + ", not a file or a pipe");
            }
        }
        return new OutputTarget(path, true, false, null);
    }

    /** Where the file is to be. */
    Path path() {
        return path;
    }

    /** Whether bytes are written to what is there, because it can't be replaced. */
    boolean isStream() {
        return stream;
    }

    /** Whether a regular file is there. */
    boolean isRegularFile() {
        return regular;
    }

    /** The folder that the file will be in. */
    Path folder() {
        return path.resolveSibling("");
    }

    /** What the new file is made with, so that nobody can read it who couldn't read the old one. */
    FileAttribute<?>[] attributes() {
        return replaced == null
                ? new FileAttribute<?>[0]
                : new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(replaced.permissions())};
    }

    /** Gives a new file the owner, the group and the permissions of the one that it replaces. */
    void keepAttributes(Path file) throws IOException {
        PosixFileAttributes replaced = this.replaced;
        if (replaced == null) {
            return;
        }
        PosixFileAttributeView view =
                Files.getFileAttributeView(file, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
        PosixFileAttributes mine = view.readAttributes();
        if (!mine.owner().equals(replaced.owner()) || !mine.group().equals(replaced.group())) {
            give(view, replaced);
        }
        Set<PosixFilePermission> permissions = EnumSet.noneOf(PosixFilePermission.class);
        permissions.addAll(replaced.permissions());
        if (!view.readAttributes().group().equals(replaced.group())) {
            // Another group was allowed to read.
            permissions.removeAll(OF_GROUP);
        }
        view.setPermissions(permissions);
    }

    private static void give(PosixFileAttributeView file, PosixFileAttributes to) {
        try {
            file.setGroup(to.group());
            file.setOwner(to.owner());
        } catch (IOException e) {
            // Who may write to another's file mayn't always give one away: the new one stays the writer's.
            return;
        }
    }
}
