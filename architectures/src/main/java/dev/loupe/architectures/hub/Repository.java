package dev.loupe.architectures.hub;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apiguardian.api.API;

/**
 * A model's repository on the Hub, at one revision.
 *
 * @param name {@code org/name}, or a bare {@code name}
 * @param revision a branch, a tag or a commit
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record Repository(String name, String revision) {

    private static final String PART = "[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?";
    private static final Pattern NAME = Pattern.compile("(?:" + PART + "/)?" + PART);
    private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._/-]*");
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final Pattern WRITTEN = Pattern.compile("([^@]+/[^@]+)(?:@(.+))?");

    /** Checks both against what the Hub allows, which keeps them from leaving the cache directory. */
    public Repository {
        if (!isName(name)) {
            throw new IllegalArgumentException("'" + name + "' can't be a repository on the Hub; those are called"
                    + " org/name, of letters, digits, '-', '_' and '.'");
        }
        if (!REVISION.matcher(revision).matches() || revision.contains("..")) {
            throw new IllegalArgumentException(
                    "'" + revision + "' can't be a revision on the Hub: a branch, a tag or a commit");
        }
    }

    /**
     * Reads {@code org/name} or {@code org/name@revision}.
     *
     * @param revision the revision if none is written
     * @return empty if the text has another form
     */
    public static Optional<Repository> parse(String text, String revision) {
        Matcher written = WRITTEN.matcher(text);
        if (!written.matches() || !isName(written.group(1))) {
            return Optional.empty();
        }
        return Optional.of(new Repository(written.group(1), written.group(2) == null ? revision : written.group(2)));
    }

    private static boolean isName(String text) {
        return NAME.matcher(text).matches() && !text.contains("..") && !text.contains("--");
    }

    /** Whether the revision is a commit, and so will never mean anything else. */
    boolean isCommit() {
        return isCommit(revision);
    }

    static boolean isCommit(String text) {
        return COMMIT.matcher(text).matches();
    }

    /** {@code org/name}, with the revision if it isn't the main branch. */
    @Override
    public String toString() {
        return revision.equals("main") ? name : name + "@" + revision;
    }
}
