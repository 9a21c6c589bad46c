package dev.loupe.architectures.hub;

import static dev.loupe.architectures.hub.FakeHub.COMMIT;
import static dev.loupe.architectures.hub.FakeHub.cutAfter;
import static dev.loupe.architectures.hub.FakeHub.gitHash;
import static dev.loupe.architectures.hub.FakeHub.sha256;
import static dev.loupe.architectures.hub.FakeHub.status;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.architecture.LoadListener;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HubClientTest {

    private static final String REPOSITORY = "org/tiny-model";
    private static final byte[] CONFIG = "{\"model_type\": \"gpt2\"}".getBytes(StandardCharsets.UTF_8);
    private static final byte[] WEIGHTS = new byte[1_000_000];

    static {
        new Random(7).nextBytes(WEIGHTS);
    }

    @TempDir
    Path home;

    private final List<Duration> pauses = new ArrayList<>();
    private final Told told = new Told();
    private FakeHub hub;

    @BeforeEach
    void start() {
        hub = new FakeHub().file(REPOSITORY, "config.json", CONFIG).largeFile(REPOSITORY, "model.safetensors", WEIGHTS);
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    /** Writes down what it is told. */
    private static final class Told implements LoadListener {
        final List<String> events = new ArrayList<>();

        @Nullable
        RuntimeException failure;

        private static String words(Task task) {
            return task.kind() + " " + task.name() + " of " + task.bytes();
        }

        @Override
        public void begun(Task task) {
            events.add(words(task) + " begun");
        }

        @Override
        public void progress(Task task, long done) {
            events.add(words(task) + ": " + done);
            if (failure != null) {
                throw failure;
            }
        }

        @Override
        public void ended(Task task) {
            events.add(words(task) + " ended");
        }

        @Override
        public void waiting(String reason, Duration pause) {
            events.add(reason + ", waiting " + pause);
        }
    }

    private HubClient client(String... extra) {
        Map<String, String> environment = hub.environment(home);
        for (int i = 0; i < extra.length; i += 2) {
            environment.put(extra[i], extra[i + 1]);
        }
        return new HubClient(HubSettings.from(environment), told, pauses::add);
    }

    private static Repository repository() {
        return new Repository(REPOSITORY, "main");
    }

    private Path cached(String path) {
        return home.resolve("hub/models--org--tiny-model").resolve(path);
    }

    private void assertNothingBut(String directory, String... names) throws IOException {
        if (!Files.exists(cached(directory))) {
            assertThat(names).isEmpty();
            return;
        }
        try (Stream<Path> files = Files.list(cached(directory))) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactlyInAnyOrder(names);
        }
    }

    // Layout

    @Test
    void filesAreKeptAsPythonsClientKeepsThem() throws IOException {
        HubRepository opened = client().open(repository());
        assertThat(opened.commit()).isEqualTo(COMMIT);
        assertThat(opened.file("config.json").orElseThrow()).hasBinaryContent(CONFIG);
        assertThat(opened.file("model.safetensors").orElseThrow()).hasBinaryContent(WEIGHTS);

        assertThat(cached("refs/main")).hasContent(COMMIT);
        assertNothingBut("blobs", gitHash(CONFIG), sha256(WEIGHTS));
        assertNothingBut("snapshots/" + COMMIT, "config.json", "model.safetensors");
        Path link = cached("snapshots/" + COMMIT + "/model.safetensors");
        assertThat(Files.readSymbolicLink(link)).isEqualTo(Path.of("../../blobs", sha256(WEIGHTS)));
        assertThat(home.resolve("hub/.locks/models--org--tiny-model/" + sha256(WEIGHTS) + ".lock"))
                .exists();
    }

    @Test
    void filesInFoldersAreLinkedFromTheirFolder() {
        hub.file(REPOSITORY, "sub/deep/notes.txt", "hello");
        Path file = client().open(repository()).file("sub/deep/notes.txt").orElseThrow();
        assertThat(file).hasContent("hello");
        assertThat(file).isEqualTo(cached("snapshots/" + COMMIT + "/sub/deep/notes.txt"));
    }

    @Test
    void aModelFetchedByPythonIsFoundWithoutAskingAnyone() throws IOException {
        // What huggingface_hub leaves behind after snapshot_download.
        Files.createDirectories(cached("refs"));
        Files.createDirectories(cached("blobs"));
        Files.createDirectories(cached("snapshots/" + COMMIT));
        Files.writeString(cached("refs/main"), COMMIT);
        Files.write(cached("blobs/" + gitHash(CONFIG)), CONFIG);
        Files.createSymbolicLink(
                cached("snapshots/" + COMMIT + "/config.json"), Path.of("../../blobs/" + gitHash(CONFIG)));

        HubRepository opened = client("HF_HUB_OFFLINE", "1").open(repository());
        assertThat(opened.file("config.json").orElseThrow()).hasBinaryContent(CONFIG);
        assertThat(opened.file("tokenizer.json")).isEmpty();
        assertThat(hub.requests()).isEmpty();
    }

    @Test
    void whatIsThereIsNotFetchedAgainAndWhatIsNotIsNotAskedForAgain() {
        HubRepository first = client().open(repository());
        first.file("model.safetensors");
        first.file("config.json");
        assertThat(first.file("tokenizer.json")).isEmpty();
        int asked = hub.requests().size();

        HubRepository second = client().open(repository());
        assertThat(second.file("model.safetensors")).isPresent();
        assertThat(second.file("tokenizer.json")).isEmpty();
        assertThat(hub.requests().subList(asked, hub.requests().size()))
                .extracting(FakeHub.Request::method)
                .as("only where main is now")
                .containsExactly("HEAD");

        HubRepository third = client().open(new Repository(REPOSITORY, COMMIT));
        assertThat(third.file("model.safetensors")).isPresent();
        assertThat(hub.requests()).as("a commit never changes").hasSize(asked + 1);
    }

    @Test
    void whereLinksAreNotAllowedTheFileItselfIsMoved() throws IOException {
        HubCache cache = new HubCache(home, repository(), (link, target) -> {
            throw new IOException("A required privilege is not held by the client");
        });
        Files.createDirectories(cache.blob("x").getParent());
        Files.writeString(cache.blob("etag"), "content");
        Path published = cache.publish("etag", COMMIT, "config.json");
        assertThat(published).hasContent("content");
        assertThat(Files.isSymbolicLink(published)).isFalse();
    }

    @Test
    void anEmptyFileIsAFile() {
        hub.file(REPOSITORY, "empty.txt", "").largeFile(REPOSITORY, "empty.bin", new byte[0]);
        HubRepository opened = client().open(repository());
        assertThat(opened.file("empty.txt").orElseThrow()).isEmptyFile();
        assertThat(opened.file("empty.bin").orElseThrow()).isEmptyFile();
    }

    // Tokens

    @Test
    void theTokenGoesToTheHubAndToNobodyElse() {
        hub.requireToken("hf_secret");
        client("HF_TOKEN", "hf_secret").open(repository()).file("model.safetensors");
        assertThat(hub.requests("GET model.safetensors"))
                .hasSize(2)
                .allSatisfy(request -> assertThat(request.token())
                        .isEqualTo(request.host().equals("hub") ? "Bearer hf_secret" : null));
    }

    @Test
    void theTokenIsReadFromTheFileThatLoggingInWrites() throws IOException {
        hub.requireToken("hf_from_file");
        Files.writeString(home.resolve("token"), "hf_from_file\n");
        assertThat(client().open(repository()).file("config.json")).isPresent();
    }

    @Test
    void theTokenIsNotShownWhenSettingsArePrinted() {
        assertThat(client("HF_TOKEN", "hf_secret").settings().toString()).doesNotContain("hf_secret");
    }

    @Test
    void anAddressWithSecretsIsRefusedWithoutShowingThem() {
        for (String address : new String[] {
            "https://me:pass@hub.example", "https://hub.example/?key=secret", "https://hub.example/#secret"
        }) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> HubSettings.from(Map.of("HF_ENDPOINT", address)))
                    .withMessageContaining("HF_ENDPOINT")
                    .satisfies(e -> assertThat(e.getMessage()).doesNotContain("me:", "pass@", "secret"));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new HubSettings(URI.create(address), home, null, false, Duration.ofSeconds(1)))
                    .withMessageContaining("hub.example")
                    .satisfies(e -> assertThat(e.getMessage()).doesNotContain("me:", "pass@", "secret"));
        }
    }

    @Test
    void aGatedModelSaysWhatToDo() {
        hub.requireToken("hf_right");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> client().open(repository()))
                .withMessageContaining("org/tiny-model is gated (401)")
                .withMessageContaining("accept its conditions at " + hub.endpoint() + "/org/tiny-model")
                .withMessageContaining("HF_TOKEN");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> client("HF_TOKEN", "hf_wrong").open(repository()))
                .withMessageContaining("org/tiny-model is gated (403), and the token given doesn't open it")
                .withMessageContaining(hub.endpoint() + "/settings/tokens")
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("hf_wrong"));
        hub.sayNothingOfGates();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> client().open(repository()))
                .withMessageContaining("gated or private, or doesn't exist (401)");
        assertThat(cached("")).doesNotExist();
    }

    // What isn't there

    @Test
    void aMissingModelSaysWhatWasLookedFor() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> client().open(new Repository("org/typo", "main")))
                .withMessageContaining("There is no model org/typo")
                .withMessageContaining(hub.endpoint() + "/org/typo/resolve/main/config.json");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> client().open(new Repository(REPOSITORY, "v2")))
                .withMessageContaining("org/tiny-model has no revision 'v2'");
    }

    @Test
    void offlineAndNotCachedSaysSo() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> client("HF_HUB_OFFLINE", "1").open(repository()))
                .withMessageContaining("org/tiny-model is not in the cache (looked in "
                        + home.resolve("hub/models--org--tiny-model") + ")")
                .withMessageContaining("HF_HUB_OFFLINE");
        assertThat(hub.requests()).isEmpty();
    }

    @Test
    void withoutANetworkTheCacheServesAndOtherwiseTheMessageSaysSo() {
        HubClient client = client();
        client.open(repository()).file("config.json");
        hub.close();
        HubRepository opened = client.open(repository());
        assertThat(opened.cacheOnly()).isTrue();
        assertThat(opened.file("config.json").orElseThrow()).hasBinaryContent(CONFIG);
        assertThat(opened.file("model.safetensors")).isEmpty();
        assertThatThrownBy(() -> client.open(new Repository("org/other", "main")))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("Can't reach " + hub.endpoint())
                .hasMessageContaining("not in the cache");
        assertThat(pauses).as("nobody waits for a network that isn't there").isEmpty();
    }

    @Test
    void somethingThatIsNoHubIsRecognised() {
        hub.fault("HEAD config.json", status(200, "Content-Length", "5"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> client().open(repository()))
                .withMessageContaining("doesn't answer as a Hub does")
                .withMessageContaining("HF_ENDPOINT");
    }

    // Broken downloads

    @Test
    void aCutDownloadIsContinuedWhereItBroke() {
        hub.fault("GET model.safetensors", cutAfter(300_000), cutAfter(200_000));
        Path file = client().open(repository()).file("model.safetensors").orElseThrow();
        assertThat(file).hasBinaryContent(WEIGHTS);
        assertThat(hub.requests("GET model.safetensors").stream()
                        .filter(request -> request.host().equals("store"))
                        .map(FakeHub.Request::range))
                .containsExactly(null, "bytes=300000-", "bytes=500000-");
        assertThat(pauses).as("each attempt got further").containsExactly(second(1), second(1));
    }

    @Test
    void aDownloadThatAnEarlierProcessBeganIsContinued() throws IOException {
        Files.createDirectories(cached("blobs"));
        Files.write(cached("blobs/" + sha256(WEIGHTS) + ".incomplete"), Arrays.copyOf(WEIGHTS, 400_000));
        Path file = client().open(repository()).file("model.safetensors").orElseThrow();
        assertThat(file).hasBinaryContent(WEIGHTS);
        assertThat(hub.requests("GET model.safetensors").get(1).range()).isEqualTo("bytes=400000-");
        assertNothingBut("blobs", sha256(WEIGHTS));
    }

    @Test
    void aHostThatCannotContinueSendsAllAgain() {
        hub.fault("GET model.safetensors", cutAfter(300_000), (exchange, content) -> {
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content);
        });
        assertThat(client().open(repository()).file("model.safetensors").orElseThrow())
                .hasBinaryContent(WEIGHTS);
    }

    @Test
    void aHostThatContinuesElsewhereIsNotBelieved() throws IOException {
        hub.fault("GET model.safetensors", cutAfter(300_000), (exchange, content) -> {
            exchange.getResponseHeaders().set("Content-Range", "bytes 0-999999/1000000");
            exchange.sendResponseHeaders(206, content.length);
            exchange.getResponseBody().write(content);
        });
        HubRepository opened = client().open(repository());
        assertThatThrownBy(() -> opened.file("model.safetensors"))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("asked to continue at byte 300000");
        assertNothingBut("snapshots");
    }

    @Test
    void aPartThatDoesNotBelongToTheFileIsThrownAway() throws IOException {
        Files.createDirectories(cached("blobs"));
        Files.write(cached("blobs/" + sha256(WEIGHTS) + ".incomplete"), new byte[400_000]);
        assertThat(client().open(repository()).file("model.safetensors").orElseThrow())
                .hasBinaryContent(WEIGHTS);
        Files.write(cached("blobs/" + gitHash(CONFIG) + ".incomplete"), new byte[400_000]);
        assertThat(client().open(repository()).file("config.json").orElseThrow())
                .as("a part longer than the whole")
                .hasBinaryContent(CONFIG);
    }

    @Test
    void aFileWithAWrongHashIsRefusedAndNothingIsKept() throws IOException {
        byte[] wrong = WEIGHTS.clone();
        wrong[500_000]++;
        FakeHub.Fault lie = (exchange, content) -> {
            exchange.sendResponseHeaders(200, wrong.length);
            exchange.getResponseBody().write(wrong);
        };
        hub.fault("GET model.safetensors", lie, lie);
        HubRepository opened = client().open(repository());
        assertThatThrownBy(() -> opened.file("model.safetensors"))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("model.safetensors")
                .hasMessageContaining("its hash was " + sha256(wrong) + " where the Hub says " + sha256(WEIGHTS))
                .satisfies(e -> assertThat(e.getMessage()).doesNotContain("signature"));
        assertNothingBut("blobs");
        assertNothingBut("snapshots");
        assertThat(opened.file("model.safetensors").orElseThrow())
                .as("once the Hub tells the truth")
                .hasBinaryContent(WEIGHTS);
    }

    @Test
    void aFileOfTheWrongSizeIsRefusedAndNothingIsKept() throws IOException {
        FakeHub.Fault tooLong = (exchange, content) -> {
            exchange.sendResponseHeaders(200, content.length + 1000);
            exchange.getResponseBody().write(content);
            exchange.getResponseBody().write(new byte[1000]);
        };
        hub.fault("GET model.safetensors", tooLong, tooLong);
        HubRepository opened = client().open(repository());
        assertThatThrownBy(() -> opened.file("model.safetensors"))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("where the Hub says 1000000");
        assertNothingBut("blobs");
    }

    @Test
    void aConnectionThatIsAlwaysCutIsGivenUpAndItsBeginningKept() throws IOException {
        hub.fault("GET model.safetensors", cutAfter(100_000));
        for (int i = 0; i < 5; i++) {
            hub.fault("GET model.safetensors", cutAfter(0));
        }
        HubRepository opened = client().open(repository());
        assertThatThrownBy(() -> opened.file("model.safetensors"))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("after 5 attempts");
        assertThat(pauses)
                .as("the first attempt got further, then patience runs out")
                .containsExactly(second(1), second(2), second(4), second(8));
        assertNothingBut("blobs", sha256(WEIGHTS) + ".incomplete");
        assertNothingBut("snapshots");
    }

    @Test
    void aServerThatFallsSilentIsLeft() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        hub.fault("GET model.safetensors", (exchange, content) -> {
            exchange.sendResponseHeaders(200, content.length);
            exchange.getResponseBody().write(content, 0, 1000);
            exchange.getResponseBody().flush();
            await(end);
        });
        try {
            assertThat(client("HF_HUB_DOWNLOAD_TIMEOUT", "3")
                            .open(repository())
                            .file("model.safetensors")
                            .orElseThrow())
                    .hasBinaryContent(WEIGHTS);
        } finally {
            end.countDown();
        }
    }

    private static void await(CountDownLatch latch) throws IOException {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }

    // A busy Hub

    @Test
    void aBusyHubIsAskedAgainWhenItSays() {
        hub.fault("HEAD config.json", status(429, "Retry-After", "7"), status(503));
        hub.fault("GET model.safetensors", status(500), status(502), status(504));
        assertThat(client().open(repository()).file("model.safetensors").orElseThrow())
                .hasBinaryContent(WEIGHTS);
        assertThat(pauses).containsExactly(second(7), second(2), second(1), second(2), second(4));
    }

    @Test
    void aHubThatStaysBusyIsGivenUp() {
        for (int i = 0; i < 5; i++) {
            hub.fault("HEAD config.json", status(429, "Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"));
        }
        assertThatThrownBy(() -> client().open(repository()))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("answers 429")
                .hasMessageContaining("after 5 attempts");
        assertThat(pauses).hasSize(4).as("a date long past").containsOnly(Duration.ZERO);
    }

    @Test
    void aRefusedDownloadIsNotTriedAgain() {
        hub.fault("GET model.safetensors", status(403));
        HubRepository opened = client().open(repository());
        assertThatThrownBy(() -> opened.file("model.safetensors"))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("answers 403")
                .hasMessageNotContaining("signature");
        assertThat(pauses).isEmpty();
    }

    @Test
    void aHubThatAsksForADayIsGivenUpAtOnceAndQuoted() {
        hub.fault("HEAD config.json", status(429, "Retry-After", "86400"));
        assertThatThrownBy(() -> client().open(repository()))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("answers 429")
                .hasMessageContaining("86400 seconds (24 hours)")
                .hasMessageContaining("try again later");
        assertThat(pauses).isEmpty();
    }

    @Test
    void allWaitingTogetherStaysBelowTwoMinutes() {
        for (int i = 0; i < 4; i++) {
            hub.fault("HEAD config.json", status(503, "Retry-After", "50"));
        }
        assertThatThrownBy(() -> client().open(repository())).hasMessageContaining("asks to wait 50 seconds");
        assertThat(pauses).containsExactly(second(50), second(50));
    }

    @Test
    void whoAsksIsToldWhatIsWaitedFor() {
        hub.fault("HEAD config.json", status(429, "Retry-After", "7"), status(429, "Retry-After", "8"));
        client().open(repository());
        assertThat(told.events).hasSize(2).allSatisfy(event -> assertThat(event).contains("answers 429"));
        assertThat(told.events.get(0)).endsWith("waiting PT7S");
        assertThat(told.events.get(1)).endsWith("waiting PT8S");
    }

    @Test
    void whoAsksIsToldHowFarADownloadIsAndNothingIsWritten() {
        PrintStream before = System.err;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
        try {
            assertThat(client().open(repository()).file("model.safetensors")).isPresent();
        } finally {
            System.setErr(before);
        }
        String task = "DOWNLOAD org/tiny-model/model.safetensors of " + WEIGHTS.length;
        assertThat(told.events)
                .startsWith(task + " begun", task + ": 0")
                .endsWith(task + ": " + WEIGHTS.length, task + " ended");
        assertThat(said.size()).isZero();
    }

    @Test
    void aDownloadThatFailsEndsForWhoeverIsTold() {
        for (int i = 0; i < 5; i++) {
            hub.fault("GET model.safetensors", status(503));
        }
        HubRepository opened = client().open(repository());
        assertThatThrownBy(() -> opened.file("model.safetensors")).hasMessageContaining("503");
        assertThat(told.events.get(told.events.size() - 1)).endsWith(" ended");
    }

    @Test
    void whatTheListenerThrowsReachesWhoeverAsked() {
        told.failure = new IllegalStateException("stop");
        HubRepository opened = client().open(repository());
        assertThatThrownBy(() -> opened.file("model.safetensors")).isSameAs(told.failure);
        told.failure = null;
        assertThat(opened.file("model.safetensors").orElseThrow()).hasBinaryContent(WEIGHTS);
    }

    // Redirects

    @Test
    void noPasswordOrSignatureOfARedirectIsRepeated() {
        for (String location : new String[] {
            "ftp://me:pass@evil.example/x?signature=secret",
            "http://me:p@ss@evil.example/x?signature=secret",
            "http://bad host/?signature=secret"
        }) {
            for (int i = 0; i < 5; i++) {
                hub.fault("GET config.json", status(302, "Location", location));
            }
            HubRepository opened = client().open(repository());
            assertThatThrownBy(() -> opened.file("config.json")).satisfies(failure -> {
                for (Throwable e = failure; e != null; e = e.getCause()) {
                    assertThat(e.toString()).doesNotContain("me:", "pass", "p@ss", "secret");
                }
            });
        }
    }

    @Test
    void aRenamedRepositoryIsFollowed() {
        hub.rename("org/old-name", REPOSITORY);
        HubRepository opened = client().open(new Repository("org/old-name", "main"));
        assertThat(opened.file("config.json").orElseThrow()).hasBinaryContent(CONFIG);
    }

    @Test
    void redirectsInACircleOrToOddPlacesAreRefused() {
        FakeHub.Fault circle = (exchange, content) -> {
            exchange.getResponseHeaders()
                    .set("Location", exchange.getRequestURI().getPath());
            exchange.sendResponseHeaders(302, -1);
        };
        for (int i = 0; i < 11; i++) {
            hub.fault("GET config.json", circle);
        }
        HubRepository opened = client().open(repository());
        hub.fault("GET config.json", status(302, "Location", "file:///etc/hosts"));
        assertThat(opened.file("config.json").orElseThrow()).hasBinaryContent(CONFIG);
        assertThat(hub.requests("GET config.json")).hasSize(13);
        assertThat(pauses).hasSize(2);
    }

    // Names

    @Test
    void namesThatLeadOutOfTheRepositoryAreRefused() {
        HubRepository opened = client().open(repository());
        int asked = hub.requests().size();
        for (String name : List.of(
                "../config.json",
                "a/../../b",
                "/etc/passwd",
                "a\\b",
                "C:x",
                "..",
                ".",
                "",
                "a//b",
                ".git/config",
                "a\nb")) {
            assertThatIllegalArgumentException()
                    .as(name)
                    .isThrownBy(() -> opened.file(name))
                    .withMessageContaining("is refused");
        }
        assertThat(hub.requests()).hasSize(asked);
    }

    @Test
    void repositoriesAndRevisionsThatLeadElsewhereAreRefused() {
        for (String name : List.of("../x", "a/b/c", "org/..", "org/na--me", "/x", "org/", "")) {
            assertThatIllegalArgumentException().as(name).isThrownBy(() -> new Repository(name, "main"));
            assertThat(Repository.parse(name, "main")).isEmpty();
        }
        for (String revision : List.of("../x", "a/../../b", "", "/x")) {
            assertThatIllegalArgumentException().as(revision).isThrownBy(() -> new Repository(REPOSITORY, revision));
        }
        assertThat(Repository.parse("org/name@refs/pr/1", "main")).contains(new Repository("org/name", "refs/pr/1"));
        assertThat(Repository.parse("org/name", "v1")).contains(new Repository("org/name", "v1"));
        assertThat(Repository.parse("name", "v1")).isEmpty();
    }

    @Test
    void anETagThatWouldLeadOutOfTheCacheIsRefused() {
        hub.fault(
                "HEAD model.safetensors",
                status(200, "X-Repo-Commit", COMMIT, "ETag", "\"../../../evil\"", "Content-Length", "5"));
        HubRepository opened = client().open(repository());
        assertThatThrownBy(() -> opened.file("model.safetensors"))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("is no name for a file");
    }

    @Test
    void filesWithTheSameETagKeepTheirOwnContent() {
        HubRepository opened = client().open(repository());
        for (String file : new String[] {"config.json", "notes.txt"}) {
            String content = "content of " + file;
            hub.file(REPOSITORY, file, content);
            hub.fault("HEAD " + file, sameETag(String.valueOf(content.length())));
        }
        assertThat(opened.file("notes.txt").orElseThrow()).hasContent("content of notes.txt");
        assertThat(opened.file("config.json").orElseThrow()).hasContent("content of config.json");
        assertThat(opened.file("notes.txt").orElseThrow()).hasContent("content of notes.txt");
    }

    private static FakeHub.Fault sameETag(String length) {
        return status(200, "X-Repo-Commit", COMMIT, "ETag", "\"same\"", "X-Linked-Size", length);
    }

    @Test
    void aCacheThatCannotRememberWhatIsMissingServesAllTheSame() throws IOException {
        // Where the marks would lie there is a file: as unwritable as a cache on a read-only disk, for root too.
        Files.createDirectories(cached("refs"));
        Files.createDirectories(cached("snapshots/" + COMMIT));
        Files.writeString(cached("refs/main"), COMMIT);
        Files.write(cached("snapshots/" + COMMIT + "/config.json"), CONFIG);
        Files.createFile(cached(".no_exist"));
        HubRepository opened = client().open(repository());
        assertThat(opened.has("tokenizer.json")).isFalse();
        assertThat(opened.has("tokenizer.json")).isFalse();
        assertThat(opened.file("config.json").orElseThrow()).hasBinaryContent(CONFIG);
        assertThat(hub.requests("HEAD tokenizer.json")).as("asked once").hasSize(1);
    }

    @Test
    void aCacheThatCannotTakeAFileSaysWhatToDo() throws IOException {
        Files.createDirectories(home.resolve("hub"));
        Files.createFile(home.resolve("hub/.locks"));
        HubRepository opened = client().open(repository());
        assertThatThrownBy(() -> opened.file("config.json"))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("can't be written to")
                .hasMessageContaining("HF_HUB_CACHE");
    }

    // Others at the same time

    @Test
    void manyThreadsFetchAFileOnce() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try {
            List<Future<Path>> files = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                files.add(threads.submit(() ->
                        client().open(repository()).file("model.safetensors").orElseThrow()));
            }
            for (Future<Path> file : files) {
                assertThat(file.get()).hasBinaryContent(WEIGHTS);
            }
        } finally {
            threads.shutdown();
        }
        assertThat(hub.requests("GET model.safetensors"))
                .as("one redirect, one download")
                .hasSize(2);
    }

    /** Another process that holds a lock and then leaves the blob, as if it had fetched it. */
    static final class OtherProcess {
        public static void main(String[] args) throws IOException {
            try (FileChannel channel =
                            FileChannel.open(Path.of(args[0]), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    FileLock lock = channel.lock()) {
                System.out.println("locked " + lock.isValid());
                System.in.read();
                Files.copy(Path.of(args[1]), Path.of(args[2]));
            }
        }
    }

    @Test
    void aFileThatAnotherProcessIsFetchingIsWaitedFor() throws Exception {
        Path source = Files.write(home.resolve("source"), WEIGHTS);
        Path lock = home.resolve("hub/.locks/models--org--tiny-model/" + sha256(WEIGHTS) + ".lock");
        Files.createDirectories(lock.getParent());
        Files.createDirectories(cached("blobs"));
        Process other = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        OtherProcess.class.getName(),
                        lock.toString(),
                        source.toString(),
                        cached("blobs/" + sha256(WEIGHTS)).toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        CompletableFuture<Void> waiting = new CompletableFuture<>();
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord message) {
                waiting.complete(null);
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger logger = Logger.getLogger(BlobLock.class.getName());
        logger.addHandler(handler);
        ExecutorService thread = Executors.newSingleThreadExecutor();
        try {
            assertThat(other.getInputStream().read()).isEqualTo('l');
            CompletableFuture<Path> file = CompletableFuture.supplyAsync(
                    () -> client().open(repository()).file("model.safetensors").orElseThrow(), thread);
            CompletableFuture.anyOf(waiting, file).join();
            assertThat(waiting).as("it waits instead of fetching").isCompleted();
            other.getOutputStream().write('\n');
            other.getOutputStream().close();
            assertThat(file.join()).hasBinaryContent(WEIGHTS);
            assertThat(hub.requests("GET model.safetensors")).isEmpty();
        } finally {
            logger.removeHandler(handler);
            thread.shutdownNow();
            other.destroy();
        }
    }

    // Settings

    @Test
    void settingsFollowTheEnvironment() {
        assertThat(HubSettings.from(Map.of("HOME", "/home/ada")).cache())
                .isEqualTo(Path.of("/home/ada/.cache/huggingface/hub"));
        assertThat(HubSettings.from(Map.of("HOME", "/home/ada", "XDG_CACHE_HOME", "/caches"))
                        .cache())
                .isEqualTo(Path.of("/caches/huggingface/hub"));
        assertThat(HubSettings.from(Map.of("HF_HOME", "/hf")).cache()).isEqualTo(Path.of("/hf/hub"));
        assertThat(HubSettings.from(Map.of("HF_HOME", "/hf", "HF_HUB_CACHE", "~/c", "HOME", "/home/ada"))
                        .cache())
                .isEqualTo(Path.of("/home/ada/c"));
        assertThat(HubSettings.from(Map.of()).endpoint()).hasToString("https://huggingface.co");
        assertThat(HubSettings.from(Map.of("HF_ENDPOINT", "http://mirror:8080/"))
                        .endpoint())
                .hasToString("http://mirror:8080");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> HubSettings.from(Map.of("HF_ENDPOINT", "mirror")))
                .withMessageContaining("HF_ENDPOINT");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> HubSettings.from(Map.of("HF_HUB_DOWNLOAD_TIMEOUT", "soon")))
                .withMessageContaining("HF_HUB_DOWNLOAD_TIMEOUT");
        assertThat(HubSettings.from(Map.of("HF_HUB_OFFLINE", "yes")).offline()).isTrue();
        assertThat(HubSettings.from(Map.of("HF_HUB_OFFLINE", "0")).offline()).isFalse();
    }

    private static Duration second(long number) {
        return Duration.ofSeconds(number);
    }
}
