package dev.loupe.analysis.patching;

import dev.loupe.architecture.TransformerConfig;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.Tokens;

/** How much memory patched runs take, by what a block and the logits hold at their fullest. */
final class RunCost {

    /** Beyond this many runs a batch gains nothing more. */
    private static final int MOST_RUNS = 4096;

    private final TransformerConfig config;
    private final long bytesPerNumber;
    private final long sequences;
    private final long positions;
    private final long logitPositions;
    private final long budget;

    RunCost(HookedTransformer model, Tokens base, LogitMetric metric, long budget) {
        this.config = model.config();
        this.bytesPerNumber = model.dtype().bytes();
        this.sequences = base.batch();
        this.positions = base.positions();
        this.logitPositions =
                metric.positions().map(chosen -> (long) chosen.length).orElse(positions);
        this.budget = budget;
    }

    /**
     * A budget that somebody asks for.
     *
     * @throws IllegalArgumentException if it isn't positive
     */
    static long budget(long bytes) {
        if (bytes <= 0) {
            throw new IllegalArgumentException("A memory budget is positive, got " + bytes);
        }
        return bytes;
    }

    /**
     * How many runs fit into the budget at once.
     *
     * @param start the position that they begin at; keys and values of those before are given
     * @param layers how many layers they pass
     * @param given how many numbers each would be given at the point where it starts, if it began at the first position
     * @param held how many numbers are held for the whole time
     */
    int runsAtOnce(int start, int layers, long given, long held) {
        long fresh = positions - start;
        long heads = (long) config.nHeads() * config.dHead();
        long past = 2L * start * config.nKeyValueHeads() * config.dHead() * layers;
        long attention = 2L * config.nHeads() * fresh * positions + 4L * positions * heads;
        long mlp = fresh * config.dMlp() * (config.gatedMlp() ? 4L : 2L);
        long residual = 4 * fresh * config.dModel();
        long logits = 2 * logitPositions * config.dVocab();
        long numbers = sequences * (past + residual + Math.max(logits, Math.max(attention, mlp)))
                + 3 * given * fresh / positions;
        return (int) Math.max(1, Math.min(MOST_RUNS, (budget / bytesPerNumber - held) / numbers));
    }

    /** How many patched activations of so many numbers may wait for their runs. */
    int waiting(long numbers) {
        return (int) Math.max(1, Math.min(MOST_RUNS, budget / 4 / (numbers * bytesPerNumber)));
    }
}
