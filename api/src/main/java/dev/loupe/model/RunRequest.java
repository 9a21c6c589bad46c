package dev.loupe.model;

import dev.loupe.array.Index;
import dev.loupe.hook.Edit;
import dev.loupe.hook.HookFilter;
import dev.loupe.hook.Intervention;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What a run is given, what it is to watch, what it is to change and what it is to give back. Nothing is computed
 * that this doesn't need.
 */
@API(status = API.Status.STABLE, since = "0.1")
public final class RunRequest {

    /** What a run computes beside the activations that are observed. */
    public enum Returns {
        /** Logits. */
        LOGITS,
        /** The loss, per token and mean. */
        LOSS,
        /** Both. */
        BOTH,
        /** Neither: the unembedding, and whatever else isn't needed, is left out. */
        NONE
    }

    private final @Nullable Tokens tokens;
    private final Map<String, Tensor> feeds;
    private final HookFilter observed;
    private final @Nullable Index observedPositions;
    private final @Nullable String observedOn;
    private final List<Edit> edits;
    private final Returns returns;
    private final int @Nullable [] logitPositions;
    private final @Nullable Integer startAtLayer;
    private final @Nullable Tensor residual;
    private final @Nullable Integer stopAtLayer;
    private final @Nullable KeyValueCache keyValueCache;
    private final boolean modelHooks;
    private final @Nullable Metric metric;
    private final HookFilter differentiated;
    private final boolean inclBackward;
    private final @Nullable Map<String, Object> state;

    private RunRequest(Builder b) {
        this.tokens = b.tokens;
        this.feeds = new LinkedHashMap<>(b.feeds);
        this.observed = b.observed;
        this.observedPositions = b.observedPositions;
        this.observedOn = b.observedOn;
        this.edits = List.copyOf(b.edits);
        this.returns = b.returns == null ? (b.stopAtLayer == null ? Returns.LOGITS : Returns.NONE) : b.returns;
        this.logitPositions = b.logitPositions;
        this.startAtLayer = b.startAtLayer;
        this.residual = b.residual;
        this.stopAtLayer = b.stopAtLayer;
        this.keyValueCache = b.keyValueCache;
        this.modelHooks = b.modelHooks;
        this.inclBackward = b.inclBackward;
        this.state = b.state;
        this.metric = b.metric == null && b.inclBackward ? Metric.loss() : b.metric;
        this.differentiated = b.metric == null ? (b.inclBackward ? b.observed : HookFilter.none()) : b.differentiated;
    }

    /** A builder; logits are returned unless it is told otherwise. */
    public static Builder builder() {
        return new Builder();
    }

    /** A builder for a run on these tokens. */
    public static Builder of(Tokens tokens) {
        return new Builder().tokens(tokens);
    }

    /** The tokens, if given. */
    public Optional<Tokens> tokens() {
        return Optional.ofNullable(tokens);
    }

    /** Values fed into hook points, by name. */
    public Map<String, Tensor> feeds() {
        return feeds;
    }

    /** Which points are observed. */
    public HookFilter observed() {
        return observed;
    }

    /** Which positions of the observed activations are kept; all if empty. */
    public Optional<Index> observedPositions() {
        return Optional.ofNullable(observedPositions);
    }

    /** The device that observed activations are moved to; empty to leave them where they are made. */
    public Optional<String> observedOn() {
        return Optional.ofNullable(observedOn);
    }

    /** What the run itself does at hook points, in order. */
    public List<Edit> edits() {
        return edits;
    }

    /** What is computed beside the observed activations. */
    public Returns returns() {
        return returns;
    }

    /** Positions at which logits are wanted; all if empty. Negative ones count from the end. */
    public Optional<int[]> logitPositions() {
        return logitPositions == null ? Optional.empty() : Optional.of(logitPositions.clone());
    }

    /** The layer before which {@link #residual} is fed. */
    public Optional<Integer> startAtLayer() {
        return Optional.ofNullable(startAtLayer);
    }

    /** The residual stream fed at {@link #startAtLayer}. */
    public Optional<Tensor> residual() {
        return Optional.ofNullable(residual);
    }

    /** The layer before which the run stops. */
    public Optional<Integer> stopAtLayer() {
        return Optional.ofNullable(stopAtLayer);
    }

    /** Keys and values of earlier positions. */
    public Optional<KeyValueCache> keyValueCache() {
        return Optional.ofNullable(keyValueCache);
    }

    /** Whether the hooks that stand on the model run too. */
    public boolean modelHooks() {
        return modelHooks;
    }

    /** What is differentiated, if anything is. */
    public Optional<Metric> metric() {
        return Optional.ofNullable(metric);
    }

    /** The points with respect to which the metric is differentiated. */
    public HookFilter differentiated() {
        return differentiated;
    }

    /** Whether derivatives are put into the cache of activations too. */
    public boolean inclBackward() {
        return inclBackward;
    }

    /** State of hooks that a run of several steps hands on from one to the next; null for a run of its own. */
    @Nullable
    Map<String, Object> state() {
        return state;
    }

    /** Collects a request. */
    public static final class Builder {
        private @Nullable Tokens tokens;
        private final Map<String, Tensor> feeds = new LinkedHashMap<>();
        private HookFilter observed = HookFilter.none();
        private @Nullable Index observedPositions;
        private @Nullable String observedOn;
        private final List<Edit> edits = new ArrayList<>();
        private @Nullable Returns returns;
        private int @Nullable [] logitPositions;
        private @Nullable Integer startAtLayer;
        private @Nullable Tensor residual;
        private @Nullable Integer stopAtLayer;
        private @Nullable KeyValueCache keyValueCache;
        private boolean modelHooks = true;
        private @Nullable Metric metric;
        private HookFilter differentiated = HookFilter.none();
        private boolean inclBackward;
        private @Nullable Map<String, Object> state;

        private Builder() {}

        /** The tokens to run on. */
        public Builder tokens(Tokens value) {
            tokens = value;
            return this;
        }

        /**
         * Feeds a value into a hook point: it takes the place of what would enter the point, and nothing is computed
         * for its sake. Hooks at the point see it.
         *
         * @param name full or short name
         * @param value of the point's shape
         */
        public Builder feed(String name, Tensor value) {
            feeds.put(name, value);
            return this;
        }

        /** Observes points: their values, after all hooks, are in the result's cache. */
        public Builder observe(HookFilter filter) {
            observed = filter;
            return this;
        }

        /** Observes points by full or short name. */
        public Builder observe(String... names) {
            return observe(HookFilter.names(names));
        }

        /** Keeps only some positions of what is observed; patterns and scores are cut along the query axis. */
        public Builder observePositions(@Nullable Index positions) {
            observedPositions = positions;
            return this;
        }

        /**
         * Moves what is observed to a device of the same backend ({@code cpu}), each activation as soon as the run has no
         * more need of it: the model's device holds no more of them than the run does anyway.
         *
         * @param device {@code cpu}, {@code cuda} (the first one) or {@code cuda:N}; null to leave it where it is made
         */
        public Builder observeOn(@Nullable String device) {
            observedOn = device;
            return this;
        }

        /** Adds hooks and interventions, after those given before. */
        public Builder hooks(Edit... more) {
            return hooks(Arrays.asList(more));
        }

        /** Adds hooks and interventions, after those given before. */
        public Builder hooks(List<? extends Edit> more) {
            edits.addAll(more);
            return this;
        }

        /** Adds interventions, after the hooks and interventions given before. */
        public Builder interventions(Intervention... more) {
            return hooks(Arrays.asList(more));
        }

        /** What to compute beside the observed activations. */
        public Builder returns(Returns value) {
            returns = value;
            return this;
        }

        /** Logits at these positions only, [batch, positions.length, d_vocab]; negative ones count from the end. */
        public Builder logitsAt(int... positions) {
            logitPositions = positions.clone();
            return this;
        }

        /**
         * Starts before a layer, inclusive, with a residual stream.
         *
         * @param layer negative counts from the end
         * @param entering float [batch, pos, d_model]
         */
        public Builder startAtLayer(int layer, Tensor entering) {
            startAtLayer = layer;
            residual = entering;
            return this;
        }

        /**
         * Stops before a layer, exclusive: the residual stream that would enter it is returned. The number of layers
         * stops before the final norm.
         *
         * @param layer negative counts from the end
         */
        public Builder stopAtLayer(@Nullable Integer layer) {
            stopAtLayer = layer;
            return this;
        }

        /**
         * Goes on from earlier positions: tokens, and what is fed, are of later ones alone. The cache is extended by the
         * run unless it is frozen.
         */
        public Builder keyValueCache(@Nullable KeyValueCache cache) {
            keyValueCache = cache;
            return this;
        }

        /** Whether the hooks that stand on the model run too, as they do unless told otherwise. */
        public Builder modelHooks(boolean value) {
            modelHooks = value;
            return this;
        }

        /**
         * Asks for derivatives of a metric with respect to what leaves points: in the result's {@link
         * RunResult#gradients}. Only what lies between those points and the metric is differentiated. Optional points need
         * no flag.
         */
        public Builder gradients(Metric of, HookFilter points) {
            metric = of;
            differentiated = points;
            return this;
        }

        /** Asks for derivatives of a metric at points by full or short name. */
        public Builder gradients(Metric of, String... names) {
            return gradients(of, HookFilter.names(names));
        }

        /** Asks for derivatives of a metric at every standard point that the run passes. */
        public Builder gradients(Metric of) {
            return gradients(of, HookFilter.standard());
        }

        /**
         * Puts derivatives into the cache of activations too, each under its point's full name and {@code _grad}. Without
         * {@code gradients(…)} they are those of the loss, at the observed points.
         */
        public Builder inclBackward(boolean value) {
            inclBackward = value;
            return this;
        }

        /** Where hooks keep their state, for the steps of one generation. */
        Builder state(Map<String, Object> value) {
            state = value;
            return this;
        }

        /** The request. */
        public RunRequest build() {
            return new RunRequest(this);
        }
    }
}
