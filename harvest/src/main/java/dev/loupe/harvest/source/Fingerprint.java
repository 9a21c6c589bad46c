package dev.loupe.harvest.source;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Tells a file's content from another's without reading all of it: its size, its first and its last mebibyte. */
public final class Fingerprint {

    private static final int PART = 1 << 20;

    private Fingerprint() {}

    /** The fingerprint of a file. */
    public static String of(Path file) throws IOException {
        if (!Files.exists(file)) {
            throw new IOException("There is no file " + file);
        }
        if (!Files.isRegularFile(file)) {
            throw new IOException(file + " isn't a regular file; a harvest reads it again where it stopped, so a pipe"
                    + " or a folder won't do. Write it to a file first");
        }
        MessageDigest digest = sha256();
        try (RandomAccessFile content = new RandomAccessFile(file.toFile(), "r")) {
            long size = content.length();
            byte[] head = new byte[(int) Math.min(PART, size)];
            content.readFully(head);
            digest.update(head);
            if (size > PART) {
                byte[] tail = new byte[(int) Math.min(PART, size - PART)];
                content.seek(size - tail.length);
                content.readFully(tail);
                digest.update(tail);
            }
            return size + " bytes, " + HexFormat.of().formatHex(digest.digest());
        }
    }

    /** A fresh SHA-256. */
    public static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every Java has SHA-256", e);
        }
    }
}
