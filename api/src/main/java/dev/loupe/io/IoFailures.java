package dev.loupe.io;

import java.nio.channels.ClosedByInterruptException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.ReadOnlyFileSystemException;
import org.apiguardian.api.API;

/** Says in words why reading or writing failed. Many of Java's own exceptions have a path for a message, or none. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class IoFailures {

    private IoFailures() {}

    /** Why it failed, to stand after a colon: {@code permission denied}. Never empty. */
    public static String reason(Throwable failure) {
        if (failure instanceof FileSystemException system) {
            return reason(system);
        }
        if (failure instanceof ClosedByInterruptException) {
            return "the thread was interrupted";
        }
        if (failure instanceof CharacterCodingException) {
            return "it isn't UTF-8 text";
        }
        if (failure instanceof ReadOnlyFileSystemException) {
            return "the file system is read-only";
        }
        String message = failure.getMessage();
        if (message == null || message.isBlank()) {
            return "an input or output error (" + failure.getClass().getSimpleName() + ")";
        }
        return message;
    }

    private static String reason(FileSystemException failure) {
        String reason = failure.getReason();
        if (failure instanceof NoSuchFileException) {
            return "there is no such file or folder";
        }
        if (failure instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (failure instanceof FileAlreadyExistsException) {
            return "it exists";
        }
        if (failure instanceof NotDirectoryException) {
            return "it isn't a folder";
        }
        if (failure instanceof DirectoryNotEmptyException) {
            return "the folder isn't empty";
        }
        if (failure instanceof FileSystemLoopException) {
            return "its links lead in a circle";
        }
        return reason != null && !reason.isBlank()
                ? reason
                : "an input or output error (" + failure.getClass().getSimpleName() + ")";
    }
}
