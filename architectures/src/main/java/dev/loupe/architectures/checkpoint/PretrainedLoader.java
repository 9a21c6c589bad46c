package dev.loupe.architectures.checkpoint;

import com.google.auto.service.AutoService;
import dev.loupe.architecture.ArchitectureProvider;
import dev.loupe.architecture.Architectures;
import dev.loupe.architecture.Checkpoint;
import dev.loupe.architecture.CheckpointConfig;
import dev.loupe.architecture.CheckpointLoader;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.architecture.PretrainedModel;
import dev.loupe.architecture.Tokenizer;
import dev.loupe.architecture.TransformerConfig;
import dev.loupe.architecture.TransformerConfig.Positions;
import dev.loupe.architecture.WeightMapping;
import dev.loupe.architecture.WeightMapping.Rule;
import dev.loupe.architectures.files.BundledFiles;
import dev.loupe.architectures.files.DirectoryFiles;
import dev.loupe.architectures.files.HubFiles;
import dev.loupe.architectures.files.JsonFiles;
import dev.loupe.architectures.files.ModelFiles;
import dev.loupe.architectures.hub.HubClient;
import dev.loupe.architectures.hub.HubSettings;
import dev.loupe.architectures.hub.Repository;
import dev.loupe.architectures.processing.StandardProcessing;
import dev.loupe.architectures.processing.WeightProcessing;
import dev.loupe.architectures.tokenizer.FoundTokenizer;
import dev.loupe.architectures.tokenizer.TokenizerFiles;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Nearest;
import dev.loupe.array.Shape;
import dev.loupe.plugin.Plugins;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.apiguardian.api.API;

/**
 * Loads bundled models, directories, aliases of well-known models, and whatever else is on the Hugging Face
 * Hub, in this order of precedence.
 */
@AutoService(CheckpointLoader.class)
@API(status = API.Status.INTERNAL, since = "0.1")
public final class PretrainedLoader implements CheckpointLoader {

    private static final String CONFIG = "config.json";
    private static final String GENERATION = "generation_config.json";

    private final Map<String, String> environment;
    private final int partBytes;

    /** A loader that obeys the environment variables of this process. */
    public PretrainedLoader() {
        this(System.getenv());
    }

    /** A loader that obeys the given environment variables, see {@link HubSettings#from}. */
    public PretrainedLoader(Map<String, String> environment) {
        this(environment, HostTensor.LARGEST_PART);
    }

    /** A loader whose weights lie in buffers of no more than so many bytes, which hold a row at least. */
    PretrainedLoader(Map<String, String> environment, int partBytes) {
        this.environment = Map.copyOf(environment);
        this.partBytes = partBytes;
    }

    @Override
    public String id() {
        return "pretrained";
    }

    @Override
    public List<String> bundled() {
        return BundledFiles.names();
    }

    @Override
    public Checkpoint open(String name, LoadOptions options) {
        return open(name, find(name, options), options);
    }

    @Override
    public Description describe(String name, LoadOptions options) {
        return described(name, find(name, options));
    }

    private static Description described(String name, ModelFiles files) {
        if (!files.has(CONFIG)) {
            ForeignForms.rejectAdapter(files);
            ForeignForms.rejectGguf(files);
            throw new IllegalArgumentException(files.source() + " has no " + CONFIG
                    + ". A checkpoint is a directory with config.json and model.safetensors, as Hugging Face"
                    + " transformers' save_pretrained writes it.");
        }
        CheckpointConfig json = JsonFiles.config(files, CONFIG);
        ForeignForms.rejectQuantized(json);
        ForeignForms.rejectAdapterBesideWeights(files);
        ArchitectureProvider architecture = Architectures.accepting(json);
        TransformerConfig config = Plugins.ask(architecture, "configure", () -> architecture.configure(json));
        return new Description(
                architecture,
                config.toBuilder()
                        .modelName(name)
                        .eosIds(endOfSequence(config, files))
                        .build());
    }

    @Override
    public Tokenizer openTokenizer(String name, LoadOptions options) {
        ModelFiles files = find(name, options);
        CheckpointConfig config =
                files.has(CONFIG) ? JsonFiles.config(files, CONFIG) : new CheckpointConfig(CONFIG, Map.of());
        FoundTokenizer found = TokenizerFiles.open(files, config);
        return found.tokenizer().orElseThrow(() -> new IllegalArgumentException(found.problem()));
    }

    private ModelFiles find(String name, LoadOptions options) {
        if (BundledFiles.names().contains(name)) {
            return local(name, new BundledFiles(name), options);
        }
        Optional<Path> path = path(name);
        if (path.isPresent() && Files.isDirectory(path.get())) {
            return local(name, new DirectoryFiles(path.get()), options);
        }
        if (path.isPresent() && Files.exists(path.get())) {
            throw new IllegalArgumentException(ForeignForms.singleFile(path.get()));
        }
        Optional<PretrainedModel> alias =
                aliases().stream().filter(model -> model.alias().equals(name)).findFirst();
        String repository = alias.map(PretrainedModel::repository).orElse(name);
        Optional<Repository> found = Repository.parse(repository, revision(repository, alias, options));
        if (found.isEmpty()) {
            throw new IllegalArgumentException(unknown(name));
        }
        HubClient hub = new HubClient(HubSettings.from(environment), options.listener());
        try {
            return new HubFiles(hub.open(found.get()));
        } catch (IllegalArgumentException e) {
            throw alias.isPresent()
                    ? e
                    : new IllegalArgumentException(e.getMessage() + " Nor is there a directory '" + name + "'.", e);
        }
    }

    /** The revision that was asked for, by its name or by a checkpoint of the training. */
    private static String revision(String repository, Optional<PretrainedModel> alias, LoadOptions options) {
        LoadOptions.Training training = options.training();
        if (training == null) {
            return options.revision();
        }
        if (!options.revision().equals(LoadOptions.defaults().revision())) {
            throw new IllegalArgumentException("Revision '" + options.revision() + "' and a checkpoint of the training"
                    + " were asked for: give one of them");
        }
        return alias.or(() -> aliases().stream()
                        .filter(model -> model.repository().equals(repository))
                        .findFirst())
                .orElseGet(() -> new PretrainedModel(repository, repository))
                .revision(training);
    }

    private static ModelFiles local(String name, ModelFiles files, LoadOptions options) {
        if (!options.revision().equals(LoadOptions.defaults().revision())) {
            throw new IllegalArgumentException("Revision '" + options.revision() + "' was asked for, but '" + name
                    + "' is on this machine and has none; models on the Hub do.");
        }
        if (options.training() != null) {
            throw new IllegalArgumentException("A checkpoint of the training was asked for, but '" + name
                    + "' is on this machine and has none; models on the Hub do.");
        }
        return files;
    }

    private static Optional<Path> path(String name) {
        try {
            return name.isBlank() ? Optional.empty() : Optional.of(Path.of(name));
        } catch (InvalidPathException e) {
            return Optional.empty();
        }
    }

    private static List<PretrainedModel> aliases() {
        return Architectures.all().stream()
                .flatMap(architecture -> Architectures.pretrained(architecture).stream())
                .toList();
    }

    private static String unknown(String name) {
        List<String> known = new ArrayList<>(BundledFiles.names());
        aliases().forEach(model -> known.add(model.alias()));
        return "There is no model '" + name + "', and no such directory. Near it are " + Nearest.to(name, known, 4)
                + "; bundled are " + BundledFiles.names() + ". A model is named by one of these, by a directory with"
                + " config.json and model.safetensors, or by a repository on the Hugging Face Hub: org/name or"
                + " org/name@revision.";
    }

    private Checkpoint open(String name, ModelFiles files, LoadOptions options) {
        Description description = described(name, files);
        ArchitectureProvider architecture = description.architecture();
        TransformerConfig whole = description.config();
        CheckpointTensors.checkLayers(files, whole);
        TransformerConfig wanted = cut(whole, options);
        WeightMapping stored = weights(architecture, whole);
        Map<String, Shape> cutShapes = new HashMap<>();
        List<Rule> rules = rules(stored, weights(architecture, wanted), cutShapes);
        Set<String> sources = new TreeSet<>();
        rules.forEach(rule -> sources.addAll(rule.sources()));
        CheckpointTensors tensors = CheckpointTensors.open(files, sources);
        try {
            MappingCheck.check(tensors, rules, stored);
            Tokenizer given = options.tokenizer();
            FoundTokenizer tokenizer = given == null
                    ? TokenizerFiles.open(files, JsonFiles.config(files, CONFIG))
                    : new FoundTokenizer(Optional.of(given), "");
            WeightProcessing processing = StandardProcessing.of(architecture, wanted, options);
            if (!processing.changesNothing()) {
                MappingCheck.checkNothingIsLeftOut(architecture, wanted, rules);
            }
            return new LoadedCheckpoint(
                    architecture,
                    processing,
                    tensors,
                    rules,
                    cutShapes,
                    tokenizer,
                    options.autoDType() ? tensors.mostlyIn(sources) : options.dtype(),
                    options.listener(),
                    partBytes);
        } catch (RuntimeException e) {
            tensors.close();
            throw e;
        }
    }

    private static WeightMapping weights(ArchitectureProvider architecture, TransformerConfig config) {
        return Plugins.ask(architecture, "weights", () -> architecture.weights(config));
    }

    /** Generation may end at more tokens than the config names: chat models end their turn and their text. */
    private static Set<Long> endOfSequence(TransformerConfig config, ModelFiles files) {
        Set<Long> ids = new TreeSet<>(config.eosIds());
        if (files.has(GENERATION)) {
            ids.addAll(JsonFiles.config(files, GENERATION).ids("eos_token_id"));
        }
        return ids;
    }

    private static TransformerConfig cut(TransformerConfig config, LoadOptions options) {
        TransformerConfig.Builder builder = config.toBuilder();
        Integer layers = options.firstNLayers();
        if (layers != null) {
            if (layers < 0 || layers > config.nLayers()) {
                throw new IllegalArgumentException("'" + config.modelName() + "' has " + config.nLayers()
                        + " layers; firstNLayers can be 0 to " + config.nLayers() + ", not " + layers);
            }
            builder.nLayers(layers);
        }
        Integer context = options.nCtx();
        if (context != null) {
            if (context < 1 || (context > config.nCtx() && config.positions() == Positions.LEARNED)) {
                throw new IllegalArgumentException("'" + config.modelName() + "' has learned " + config.nCtx()
                        + " positions; nCtx can be 1 to " + config.nCtx() + ", not " + context);
            }
            builder.nCtx(context);
        }
        Boolean prependBos = options.defaultPrependBos();
        if (prependBos != null) {
            builder.defaultPrependBos(prependBos);
        }
        return builder.build();
    }

    /**
     * The rules of the whole checkpoint for the weights that are wanted.
     *
     * @param cutShapes receives the shape of each weight of which less is wanted than is stored
     */
    private static List<Rule> rules(WeightMapping stored, WeightMapping wanted, Map<String, Shape> cutShapes) {
        Map<String, Rule> byWeight = new HashMap<>();
        stored.rules().forEach(rule -> byWeight.put(rule.weight(), rule));
        List<Rule> rules = new ArrayList<>();
        for (Rule rule : wanted.rules()) {
            Rule whole = byWeight.getOrDefault(rule.weight(), rule);
            if (!whole.sourceShape().equals(rule.sourceShape())) {
                cutShapes.put(rule.weight(), Shape.of(rule.layout().shape(WeightReader.sizes(rule))));
            }
            rules.add(whole);
        }
        return rules;
    }
}
