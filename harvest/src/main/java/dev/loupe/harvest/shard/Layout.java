package dev.loupe.harvest.shard;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.array.Shape;
import dev.loupe.graph.Axis;
import dev.loupe.graph.HookPoint;
import dev.loupe.harvest.job.AttentionStatistic;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.model.HookedTransformer;
import dev.loupe.model.RunRequest;
import dev.loupe.model.RunRequest.Returns;
import dev.loupe.model.RunResult;
import dev.loupe.model.Tokens;
import dev.loupe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What is written for each token.
 *
 * @param points in the order in which they fire
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Layout(List<Point> points) {

    /**
     * A hook point and the numbers that it gives for a token.
     *
     * @param name its full name
     * @param axes what the axes count, behind that of the tokens
     * @param shape their sizes
     * @param attention the statistic in the place of an axis of keys; null if the point has none
     * @param dtype the type in which they are written
     */
    public record Point(
            String name,
            List<Axis> axes,
            List<Long> shape,
            @Nullable AttentionStatistic attention,
            DType dtype) {

        /** Copies the lists. */
        public Point {
            axes = List.copyOf(axes);
            shape = List.copyOf(shape);
        }

        /** Numbers for a token. */
        public int width() {
            long width = 1;
            for (long size : shape) {
                width = Math.multiplyExact(width, size);
            }
            return Math.toIntExact(width);
        }

        /** The shape for so many tokens. */
        public Shape shapeOf(long tokens) {
            long[] sizes = new long[shape.size() + 1];
            sizes[0] = tokens;
            for (int i = 0; i < shape.size(); i++) {
                sizes[i + 1] = shape.get(i);
            }
            return Shape.of(sizes);
        }
    }

    /** Copies the list. */
    public Layout {
        points = List.copyOf(points);
    }

    /** Bytes that a token takes, its numbers of document, row, position and token included. */
    public long bytesPerToken() {
        long bytes = 2 * Long.BYTES + 2 * Integer.BYTES;
        for (Point point : points) {
            bytes += (long) point.width() * point.dtype().bytes();
        }
        return bytes;
    }

    /**
     * Looks at what a job's points give, by running the model on one token.
     *
     * @param model the job's, its dictionaries in it
     * @throws dev.loupe.graph.UnknownHookException if a name doesn't exist or a pattern matches nothing
     * @throws IllegalArgumentException if a point can't be written token by token; says why and what to do
     */
    public static Layout of(HookedTransformer model, HarvestJob job) {
        List<HookPoint> chosen = job.filter().select(model.hookNames());
        List<String> keyed = chosen.stream()
                .filter(point -> point.axes().contains(Axis.KEY))
                .map(HookPoint::name)
                .toList();
        if (!keyed.isEmpty() && job.attention() == null) {
            throw new IllegalArgumentException(
                    keyed.get(0) + (keyed.size() > 1 ? " and " + (keyed.size() - 1) + " more" : "")
                            + " can't be harvested as it is: one of its axes counts keys, which are as many as the row has tokens,"
                            + " so that rows have no common shape. Take a statistic of it ("
                            + Arrays.toString(AttentionStatistic.values()).replaceAll("[\\[\\]]", "")
                            + "; --attention in the command line), or leave it out");
        }
        List<Point> points = new ArrayList<>();
        RunRequest probe = RunRequest.of(Tokens.of(new long[] {0}))
                .observe(job.filter())
                .returns(Returns.NONE)
                .build();
        try (RunResult run = model.run(probe)) {
            for (HookPoint point : chosen) {
                Tensor tensor = run.cache().get(point.name());
                points.add(point(point, tensor, job));
            }
        }
        return new Layout(points);
    }

    private static Point point(HookPoint point, Tensor tensor, HarvestJob job) {
        List<Axis> axes = new ArrayList<>();
        List<Long> sizes = new ArrayList<>();
        boolean keyed = point.axes().contains(Axis.KEY);
        for (int i = 0; i < point.axes().size(); i++) {
            Axis axis = point.axes().get(i);
            if (axis != Axis.BATCH && !axis.isPosition() && axis != Axis.KEY) {
                axes.add(axis);
                sizes.add(tensor.size(i));
            }
        }
        boolean plain = point.axes().size() >= 2 && point.axes().get(0) == Axis.BATCH && point.positionAxis() == 1;
        boolean attention = point.axes().equals(List.of(Axis.BATCH, Axis.HEAD, Axis.QUERY, Axis.KEY));
        if (!(keyed ? attention : plain)) {
            throw new IllegalArgumentException(point.name() + " has the axes " + point.axes()
                    + ", and can't be harvested: what is written token by token begins with batch and position"
                    + " (attention: batch, head, query, key)");
        }
        return new Point(point.name(), axes, sizes, keyed ? job.attention() : null, job.dtype());
    }

    /** Room for so many tokens of a point. */
    static HostTensor room(Point point, long tokens) {
        return HostTensor.allocate(point.dtype(), point.shapeOf(tokens));
    }
}
