package dev.loupe.analysis.patching;

import dev.loupe.array.Index;
import dev.loupe.graph.HookNames;
import dev.loupe.graph.HookPoint;
import dev.loupe.hook.Intervention;
import dev.loupe.hook.Selection;
import dev.loupe.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A part of a model that writes or reads: a head, an MLP, a head's queries, the residual stream at a layer; everywhere or
 * at chosen positions.
 *
 * @param activation short name of the activation: {@code z}, {@code mlp_out}, {@code q}, …
 * @param layer the layer; negative from the end
 * @param head the head, or null for all; a key/value head where the activation has those
 * @param positions the positions; for patterns and scores those that attend
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Component(
        String activation, int layer, @Nullable Integer head, Index positions) {

    /** What a head writes, before W_O. */
    public static Component head(int layer, int head) {
        return of("z", layer, head);
    }

    /**
     * The heads that score higher than a threshold, the highest first: the induction heads of {@code
     * HeadScores.induction}, the heads that matter of a sweep.
     *
     * @param scores [layer, head]
     */
    public static List<Component> headsAbove(double threshold, Tensor scores) {
        if (scores.rank() != 2) {
            throw new IllegalArgumentException("Scores of heads are [layer, head], got " + scores.shape());
        }
        return scores.topEntries((int) scores.elements()).stream()
                .filter(entry -> entry.value() > threshold)
                .map(entry -> head(entry.index().get(0), entry.index().get(1)))
                .toList();
    }

    /** What an MLP writes. */
    public static Component mlp(int layer) {
        return new Component("mlp_out", layer, null, Index.all());
    }

    /** What the attention of a layer writes. */
    public static Component attention(int layer) {
        return new Component("attn_out", layer, null, Index.all());
    }

    /** A head's queries. */
    public static Component queries(int layer, int head) {
        return of("q", layer, head);
    }

    /** A key head's keys. */
    public static Component keys(int layer, int head) {
        return of("k", layer, head);
    }

    /** A value head's values. */
    public static Component values(int layer, int head) {
        return of("v", layer, head);
    }

    /** The residual stream that leaves a layer; −1 for the end of the model, which the logits are read from. */
    public static Component residPost(int layer) {
        return new Component("resid_post", layer, null, Index.all());
    }

    /** Any activation with heads, of one head. */
    public static Component of(String activation, int layer, int head) {
        return new Component(activation, layer, head, Index.all());
    }

    /** The same at chosen positions only; negative from the end. */
    public Component at(long... chosen) {
        return new Component(activation, layer, head, Index.pick(chosen));
    }

    /** The full name of the hook point. */
    HookPoint point(HookNames names) {
        return names.resolve(activation, layer);
    }

    /** An activation with this part of it replaced by the same part of another. */
    Tensor replace(Tensor into, Tensor from, HookPoint point) {
        Index.Selection place = place(into, point);
        return into.with(place, from.get(place));
    }

    /**
     * A change of the activation, restricted to this part.
     *
     * @throws IllegalArgumentException if a head is meant, and there are none at the point
     */
    Intervention restrict(Intervention change, HookPoint point) {
        Intervention restricted = change;
        Integer chosen = head;
        if (chosen != null) {
            if (point.headAxis() < 0) {
                throw new IllegalArgumentException(
                        "There are no heads in " + point + " " + point.axes() + "; it can only be taken whole");
            }
            restricted = restricted.heads(chosen);
        }
        return positions instanceof Index.All ? restricted : restricted.where(Selection.Which.POS, places(positions));
    }

    private static Selection.Places places(Index index) {
        if (index instanceof Index.Pick pick) {
            return new Selection.At(pick.positions());
        } else if (index instanceof Index.Range range) {
            return new Selection.Range(range.start(), range.end(), range.step());
        } else if (index instanceof Index.One one) {
            return new Selection.At(List.of(one.position()));
        }
        throw new IllegalArgumentException("Positions of a part are places of one axis, got " + index);
    }

    private Index.Selection place(Tensor activationHere, HookPoint point) {
        Object[] place = new Object[point.axes().size()];
        Arrays.fill(place, Index.all());
        place[point.positionAxis()] = positions;
        Integer chosen = head;
        if (chosen != null) {
            if (point.headAxis() < 0) {
                throw new IllegalArgumentException("There are no heads in " + point + ", whose shape is "
                        + activationHere.shape() + "; it can only be taken whole");
            }
            place[point.headAxis()] = Index.pick(chosen);
        }
        return Index.at(place);
    }

    @Override
    public String toString() {
        String where = positions instanceof Index.All ? "" : " at " + positions;
        return activation + " of layer " + layer + (head == null ? "" : " head " + head) + where;
    }
}
