package dev.loupe.architectures;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.loupe.architectures.support.TestModels;
import dev.loupe.fixtures.Fixtures;
import dev.loupe.hook.HookFilter;
import dev.loupe.model.*;
import dev.loupe.spi.*;
import dev.loupe.tensor.*;
import dev.loupe.tensor.safetensors.SafetensorsFile;
import java.util.*;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GoldenTest {
    static double diff(HostTensor a, HostTensor b) {
        assertThat(a.shape()).isEqualTo(b.shape());
        double worst = 0;
        for (int i = 0; i < a.shape().elements(); i++) {
            double x = a.getDouble(i), y = b.getDouble(i);
            if (x == y) continue;
            worst = Math.max(worst, Double.isNaN(x) || Double.isNaN(y) ? Double.POSITIVE_INFINITY : Math.abs(x - y));
        }
        return worst;
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-random", "llama-random", "llama-random-sharded-bf16", "mistral-random"})
    void all(String name) {
        Backend backend = Backends.open("reference", new BackendOptions("cpu", 0, 1, Map.of()));
        try (SafetensorsFile golden = SafetensorsFile.open(Fixtures.golden(name))) {
            HostTensor t = golden.read("tokens");
            long[][] ids = new long[2][13];
            for (int i = 0; i < 26; i++) ids[i / 13][i % 13] = (long) t.getDouble(i);
            for (boolean raw : new boolean[] {true, false}) {
                LoadOptions options = raw ? LoadOptions.noProcessing() : LoadOptions.defaults();
                HookedTransformer model = TestModels.load(Fixtures.directory(name), options, backend);
                String prefix = raw ? "raw." : "proc.";
                CachedRun run = model.runWithCache(Tokens.of(ids), HookFilter.everything());
                System.out.println(name + prefix + " logits "
                        + diff(run.logits().toHost(), golden.read(raw ? "hf.logits" : "proc.logits")));
                double worst = 0;
                int count = 0;
                for (String key : golden.names()) {
                    if (key.startsWith(prefix) && model.hookNames().toString() != null) {
                        String hook = key.substring(prefix.length());
                        if (run.cache().has(hook)) {
                            double d = diff(run.cache().get(hook).toHost(), golden.read(key));
                            if (d > 1e-4) System.out.println("  " + key + " " + d);
                            worst = Math.max(d, worst);
                            count++;
                        }
                    }
                }
                System.out.println(name + prefix + count + " worst " + worst);
            }
        }
    }
}
