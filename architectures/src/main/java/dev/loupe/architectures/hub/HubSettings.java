package dev.loupe.architectures.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Where the Hub is, where its files are kept, and how to talk to it.
 *
 * @param endpoint the Hub's address, without a slash at its end
 * @param cache the directory that holds {@code models--org--name}
 * @param token what proves who asks, for gated and private models; null to ask as nobody
 * @param offline whether only the cache may be used
 * @param timeout how long to wait for a connection, an answer, or the next piece of a file
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record HubSettings(
        URI endpoint, Path cache, @Nullable String token, boolean offline, Duration timeout) {

    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");

    /**
     * Checks the address, which messages repeat.
     *
     * @throws IllegalArgumentException if it has a name and password, or something behind its path
     */
    public HubSettings {
        if (hasMore(endpoint)) {
            throw new IllegalArgumentException("The Hub's address should be a scheme, a host and perhaps a path, found "
                    + HubHttp.withoutQuery(endpoint) + " with more than that, which isn't shown here."
                    + " What proves who asks is the token.");
        }
    }

    private static boolean hasMore(URI endpoint) {
        return String.valueOf(endpoint.getRawAuthority()).contains("@")
                || endpoint.getRawQuery() != null
                || endpoint.getRawFragment() != null;
    }

    /**
     * The settings that the environment asks for, in the variables of {@code huggingface_hub}: {@code
     * HF_ENDPOINT}, {@code HF_HOME}, {@code HF_HUB_CACHE}, {@code HF_TOKEN}, {@code HF_TOKEN_PATH}, {@code
     * HF_HUB_OFFLINE}, {@code HF_HUB_DOWNLOAD_TIMEOUT} in seconds; {@code XDG_CACHE_HOME} as a place for the cache.
     *
     * @throws IllegalArgumentException if one of them can't be understood; names it
     */
    public static HubSettings from(Map<String, String> environment) {
        Path home = home(environment);
        String cache = first(environment, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE");
        return new HubSettings(
                endpoint(environment),
                cache == null ? home.resolve("hub") : path(environment, cache),
                token(environment, home),
                isTrue(environment, "HF_HUB_OFFLINE") || isTrue(environment, "TRANSFORMERS_OFFLINE"),
                timeout(environment));
    }

    private static URI endpoint(Map<String, String> environment) {
        String text = first(environment, "HF_ENDPOINT");
        if (text == null) {
            return URI.create("https://huggingface.co");
        }
        try {
            URI uri = URI.create(text.strip().replaceAll("/+$", ""));
            if (!hasMore(uri)
                    && uri.getHost() != null
                    && Set.of("http", "https").contains(String.valueOf(uri.getScheme()))) {
                return uri;
            }
        } catch (IllegalArgumentException malformed) {
            // Without the cause: it repeats the text, in which there may be a password.
            throw new IllegalArgumentException(badEndpoint(text));
        }
        throw new IllegalArgumentException(badEndpoint(text));
    }

    private static String badEndpoint(String whole) {
        String text = whole.replaceFirst("(?s)[?#].*", "?…");
        return "The environment variable HF_ENDPOINT should be an address such as https://huggingface.co, found '"
                + (text.contains("@") ? "…@" + text.substring(text.lastIndexOf('@') + 1) : text)
                + "'. A name and a password in it, or a question mark, are refused: what proves who asks is HF_TOKEN.";
    }

    private static Path home(Map<String, String> environment) {
        String home = first(environment, "HF_HOME");
        if (home != null) {
            return path(environment, home);
        }
        String caches = first(environment, "XDG_CACHE_HOME");
        return (caches == null ? path(environment, "~/.cache") : path(environment, caches)).resolve("huggingface");
    }

    /** The token in the environment or else in a file, where {@code hf auth login} puts it. */
    private static @Nullable String token(Map<String, String> environment, Path home) {
        String token = first(environment, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN");
        String place = first(environment, "HF_TOKEN_PATH");
        Path file = place == null ? home.resolve("token") : path(environment, place);
        try {
            if (token == null && Files.isRegularFile(file)) {
                token = Files.readString(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("Can't read the Hub's token from " + file + ": " + e, e);
        }
        if (token == null || token.isBlank()) {
            return null;
        }
        // The HTTP client would refuse such a token with a message that repeats it.
        if (!token.strip().chars().allMatch(c -> c > ' ' && c < 127)) {
            throw new IllegalArgumentException("The Hub's token, from "
                    + (first(environment, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") == null ? file : "HF_TOKEN")
                    + ", has a space, a line break or another character that no token has. It isn't shown here; set it"
                    + " again, as one line.");
        }
        return token.strip();
    }

    private static Duration timeout(Map<String, String> environment) {
        String seconds = first(environment, "HF_HUB_DOWNLOAD_TIMEOUT");
        try {
            long number = seconds == null ? 30 : Long.parseLong(seconds.strip());
            if (number > 0) {
                return Duration.ofSeconds(number);
            }
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(badTimeout(String.valueOf(seconds)), e);
        }
        throw new IllegalArgumentException(badTimeout(String.valueOf(seconds)));
    }

    private static String badTimeout(String found) {
        return "The environment variable HF_HUB_DOWNLOAD_TIMEOUT should be a number of seconds, found '" + found + "'";
    }

    private static Path path(Map<String, String> environment, String text) {
        if (!text.equals("~") && !text.startsWith("~/")) {
            return Path.of(text);
        }
        String user = first(environment, "HOME");
        return Path.of(user == null ? System.getProperty("user.home") : user, text.substring(1));
    }

    private static boolean isTrue(Map<String, String> environment, String name) {
        return TRUE.contains(environment.getOrDefault(name, "").toUpperCase(Locale.ROOT));
    }

    private static @Nullable String first(Map<String, String> environment, String... names) {
        for (String name : names) {
            String value = environment.get(name);
            if (value != null && !value.isBlank()) {
                return value;
            }
        }
        return null;
    }

    /** All but the token. */
    @Override
    public String toString() {
        return "HubSettings[" + endpoint + ", cache " + cache + (token == null ? "" : ", with a token")
                + (offline ? ", offline" : "") + "]";
    }
}
