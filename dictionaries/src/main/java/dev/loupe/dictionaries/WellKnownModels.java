package dev.loupe.dictionaries;

import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.CheckpointLoader;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.plugin.Plugins;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** Whether two names are of one model, as far as names tell. */
final class WellKnownModels {

    private final Map<String, String> repositories = new HashMap<>();

    WellKnownModels() {
        for (CheckpointLoader loader : Plugins.usable(CheckpointLoader.all())) {
            loader.bundled().forEach(name -> repositories.put(lower(name), lower(name)));
        }
        for (ArchitectureProvider architecture : Architectures.all()) {
            for (PretrainedModel model : Architectures.pretrained(architecture)) {
                String repository = lower(model.repository());
                repositories.put(lower(model.alias()), repository);
                repositories.put(repository, repository);
                repositories.putIfAbsent(lastPart(repository), repository);
            }
        }
    }

    /**
     * Whether both names are known, and of different models. What was tuned further from another, and has its name with
     * something behind, counts as the same: {@code gemma-2-2b-it}.
     */
    boolean differ(String first, String second) {
        String one = repositories.get(lower(first));
        String other = repositories.get(lower(second));
        return one != null && other != null && !one.startsWith(other) && !other.startsWith(one);
    }

    private static String lower(String name) {
        return name.toLowerCase(Locale.ROOT);
    }

    private static String lastPart(String repository) {
        return repository.substring(repository.lastIndexOf('/') + 1);
    }
}
