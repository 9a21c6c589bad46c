package dev.loupe.examples;

import dev.loupe.harvest.Harvest;
import dev.loupe.harvest.HarvestedActivations;
import dev.loupe.harvest.HarvestedActivations.ShardFile;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.job.Positions;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.harvest.source.Sources;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;

/**
 * A linear probe on harvested residuals: is the subject of "The keys near the dog" singular or plural, read at the last
 * token? Fitted by ridge regression in closed form on some subjects, tested on others that it never saw.
 */
final class LinearProbe {

    private static final String[][] NOUNS = {
        {"key", "keys"}, {"dog", "dogs"}, {"teacher", "teachers"}, {"car", "cars"}, {"house", "houses"},
        {"tree", "trees"}, {"song", "songs"}, {"child", "children"}, {"farmer", "farmers"}, {"boat", "boats"}
    };
    private static final int TRAINED = 7;
    private static final double RIDGE = 1;

    /** A sentence's subject, and whether it is plural. */
    private record Label(int subject, boolean plural) {}

    private LinearProbe() {}

    public static void main(String[] args) throws IOException {
        List<String> sentences = new ArrayList<>();
        List<Label> labels = new ArrayList<>();
        for (int subject = 0; subject < NOUNS.length; subject++) {
            for (int other = 0; other < NOUNS.length; other++) {
                for (int form = 0; form < 4 && other != subject; form++) {
                    sentences.add("The " + NOUNS[subject][form / 2] + " near the " + NOUNS[other][form % 2]);
                    labels.add(new Label(subject, form / 2 == 1));
                }
            }
        }
        HarvestJob job = HarvestJob.of("toy-gpt2", "blocks.*.hook_resid_post").withPositions(Positions.last());
        Path folder = args.length > 0
                ? Path.of(args[0])
                : Files.createTempDirectory("probe").resolve("harvest");
        Harvest.of(job, Sources.texts(sentences)).into(folder).run();

        HarvestedActivations harvested = HarvestedActivations.open(folder);
        for (Layout.Point point : harvested.points()) {
            DMatrixRMaj probe = fit(harvested, point, labels);
            int right = 0;
            int tested = 0;
            for (ShardFile shard : harvested) {
                try (shard) {
                    List<Label> tests = new ArrayList<>();
                    DMatrixRMaj x = rows(shard, point, labels, tests, false);
                    DMatrixRMaj said = CommonOps_DDRM.mult(x, probe, null);
                    for (int i = 0; i < tests.size(); i++) {
                        right += (said.get(i, 0) > 0) == tests.get(i).plural() ? 1 : 0;
                    }
                    tested += tests.size();
                }
            }
            System.out.println(String.format(
                    Locale.ROOT,
                    "%s: accuracy %.2f on %d sentences with subjects that it never saw",
                    point.name(),
                    (double) right / tested,
                    tested));
        }
    }

    /** Ridge regression, shard by shard: (XᵀX + λ1) w = Xᵀy. */
    private static DMatrixRMaj fit(HarvestedActivations harvested, Layout.Point point, List<Label> labels) {
        int width = point.width() + 1;
        DMatrixRMaj products = CommonOps_DDRM.identity(width);
        CommonOps_DDRM.scale(RIDGE, products);
        DMatrixRMaj targets = new DMatrixRMaj(width, 1);
        for (ShardFile shard : harvested) {
            try (shard) {
                List<Label> trained = new ArrayList<>();
                DMatrixRMaj x = rows(shard, point, labels, trained, true);
                DMatrixRMaj y = new DMatrixRMaj(trained.size(), 1);
                for (int i = 0; i < trained.size(); i++) {
                    y.set(i, 0, trained.get(i).plural() ? 1 : -1);
                }
                CommonOps_DDRM.multAddTransA(x, x, products);
                CommonOps_DDRM.multAddTransA(x, y, targets);
            }
        }
        DMatrixRMaj probe = new DMatrixRMaj(width, 1);
        if (!CommonOps_DDRM.solve(products, targets, probe)) {
            throw new IllegalStateException("The normal equations have no solution");
        }
        return probe;
    }

    /** Activations of the training or the test sentences [tokens, width + 1], a one at the end of each row for the bias. */
    private static DMatrixRMaj rows(
            ShardFile shard, Layout.Point point, List<Label> labels, List<Label> chosen, boolean training) {
        long[] documents = shard.documents();
        float[] numbers = shard.floats(point.name(), 0, shard.tokens());
        int width = point.width();
        DMatrixRMaj rows = new DMatrixRMaj(shard.tokens(), width + 1);
        for (int i = 0; i < documents.length; i++) {
            Label label = labels.get((int) documents[i]);
            if (label.subject() < TRAINED == training) {
                for (int j = 0; j < width; j++) {
                    rows.set(chosen.size(), j, numbers[i * width + j]);
                }
                rows.set(chosen.size(), width, 1);
                chosen.add(label);
            }
        }
        rows.reshape(chosen.size(), width + 1, true);
        return rows;
    }
}
