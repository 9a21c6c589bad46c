package dev.loupe.conformance.rules;

import static org.assertj.core.api.Assertions.assertThat;

import dev.loupe.backend.Availability;
import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import dev.loupe.backend.BackendProvider;
import dev.loupe.backend.BackendUnavailableException;
import dev.loupe.conformance.kit.Attempt;
import dev.loupe.conformance.kit.Bench;
import dev.loupe.conformance.kit.Rule;
import dev.loupe.conformance.kit.Trial;
import dev.loupe.conformance.measures.Refusal;
import dev.loupe.plugin.SpiVersion;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.stream.Stream;
import org.apiguardian.api.API;

/** Section 1: how a backend is found and opened. */
@API(status = API.Status.INTERNAL, since = "0.1")
public final class DiscoveryRules {

    private static final List<String> MISSING_DEVICES = List.of("cuda:97", "nosuchdevice", "cpu:97", "");

    private final Bench bench;
    private final BackendProvider provider;

    public DiscoveryRules(Bench bench) {
        this.bench = bench;
        this.provider = bench.provider();
    }

    @Rule("1.1")
    void theIdIsWellFormedAndStaysTheSame(Attempt attempt) {
        assertThat(provider.id()).as("the id").matches("[a-z][a-z0-9-]*");
        assertThat(provider.id()).as("the id, asked again").isEqualTo(provider.id());
    }

    @Rule("1.2")
    void serviceLoaderFindsTheProviderOnce(Attempt attempt) {
        List<String> sameClass = new ArrayList<>();
        List<String> sameId = new ArrayList<>();
        List<String> broken = new ArrayList<>();
        for (ServiceLoader.Provider<BackendProvider> candidate :
                ServiceLoader.load(BackendProvider.class).stream().toList()) {
            try {
                if (candidate.type().equals(provider.getClass())) {
                    sameClass.add(candidate.type().getName());
                }
                if (candidate.get().id().equals(provider.id())) {
                    sameId.add(candidate.type().getName());
                }
            } catch (ServiceConfigurationError | LinkageError | RuntimeException e) {
                broken.add(candidate.type().getName() + ": " + e);
            }
        }
        String file = "META-INF/services/" + BackendProvider.class.getName();
        assertThat(sameClass)
                .as(
                        "times that ServiceLoader finds %s: list it, once, in %s (broken: %s)",
                        provider.getClass(), file, broken)
                .hasSize(1);
        assertThat(sameId)
                .as("providers that call themselves '%s'", provider.id())
                .containsExactly(provider.getClass().getName());
    }

    @Rule("1.3")
    void theVersionIsTheOneCompiledAgainst(Attempt attempt) {
        assertThat(provider.spiVersion())
                .as("spiVersion(); compile against this version of the api and return SpiVersion.CURRENT")
                .isEqualTo(SpiVersion.CURRENT);
    }

    @Rule("1.4")
    void anotherInstanceAnswersAlike(Attempt attempt) throws ReflectiveOperationException {
        BackendProvider another = provider.getClass().getConstructor().newInstance();
        assertThat(another.id()).as("another instance's id").isEqualTo(provider.id());
        assertThat(another.priority("cpu")).as("another instance's priority").isEqualTo(provider.priority("cpu"));
        assertThat(another.probe()).as("another instance's answer").hasSameClassAs(provider.probe());
    }

    @Rule("1.5")
    void probingThrowsNothingAndAnswersAlike(Attempt attempt) {
        assertThat(provider.probe()).as("probe()").isNotNull().hasSameClassAs(provider.probe());
    }

    @Rule("1.6")
    void probingIsQuick(Attempt attempt) {
        long best = Long.MAX_VALUE;
        for (int i = 0; i < 3; i++) {
            long start = System.nanoTime();
            provider.probe();
            best = Math.min(best, System.nanoTime() - start);
        }
        assertThat(best / 1_000_000)
                .as("milliseconds for the quickest of three probes")
                .isLessThan(2000);
    }

    @Rule("1.7")
    void theAnswerSaysWhatWasFound(Attempt attempt) {
        if (provider.probe() instanceof Availability.Available available) {
            assertThat(available.detail()).as("the detail of Available").isNotBlank();
        } else if (provider.probe() instanceof Availability.Unavailable unavailable) {
            assertThat(unavailable.detail()).as("the detail of Unavailable").isNotBlank();
            assertThat(unavailable.remedy()).as("the remedy of Unavailable").isNotBlank();
        }
    }

    @Rule("1.8")
    void openingGivesTheBackendAskedFor(Attempt attempt) {
        String asked = bench.options().device();
        try (Backend backend = bench.open()) {
            assertThat(backend.id()).as("the open backend's id").isEqualTo(provider.id());
            assertThat(backend.device()).as("its device").isEqualTo(asked.equals("cuda") ? "cuda:0" : asked);
        }
    }

    @Rule("1.9")
    Stream<Trial> aDeviceThatIsNotThereIsRefused() {
        return MISSING_DEVICES.stream().map(device -> {
            String subject = device.isEmpty() ? "empty" : device.replace(':', '-');
            return new Trial(subject, attempt -> refuses(bench.options().withDevice(device)));
        });
    }

    private void refuses(BackendOptions options) {
        Refusal.of(
                        String.format("opening the device '%s'", options.device()),
                        BackendUnavailableException.class,
                        () -> provider.open(options).close())
                .hasMessageContaining("'" + options.device() + "'");
    }

    @Rule("1.10")
    void thePriorityIsTheSameForEveryCall(Attempt attempt) {
        for (String device : List.of("cpu", "cuda", "cuda:0", "cuda:97", "nosuchdevice", "")) {
            assertThat(provider.priority(device))
                    .as("the priority on '%s'", device)
                    .isEqualTo(provider.priority(device));
        }
    }
}
