package dev.loupe.analysis.residual;

import dev.loupe.array.Index;
import dev.loupe.model.ActivationCache;
import dev.loupe.tensor.Tensor;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What each part of a model adds directly to the logit of an answer, or to the difference of two: the part's output,
 * through the final norm as the run had it, times the unembedding. Mean over the batch.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class DirectLogitAttribution {

    private final CacheAnalysis analysis;
    private final Targets answer;
    private final @Nullable Targets wrong;

    private DirectLogitAttribution(CacheAnalysis analysis, Targets answer, @Nullable Targets wrong) {
        this.analysis = analysis;
        this.answer = answer;
        this.wrong = wrong;
    }

    /** Attribution of an answer's logit. */
    public static DirectLogitAttribution of(ActivationCache cache, Targets answer) {
        return new DirectLogitAttribution(CacheAnalysis.of(cache), answer, null);
    }

    /** Attribution of the difference between the logits of an answer and of a wrong one. */
    public static DirectLogitAttribution of(ActivationCache cache, Targets answer, Targets wrong) {
        return new DirectLogitAttribution(CacheAnalysis.of(cache), answer, wrong);
    }

    /** By head, at one position [layer, head]. */
    public Tensor heads(long position) {
        return byHead(attribute(
                analysis.stackHeadResults(StackOptions.defaults().applyLn().position(position))));
    }

    /** By head and position [layer, head, pos]. */
    public Tensor headsByPosition() {
        return byHead(
                attribute(analysis.stackHeadResults(StackOptions.defaults().applyLn())));
    }

    private Tensor byHead(Tensor components) {
        int heads = analysis.cache().model().config().nHeads();
        return components.splitAxis(0, -1, heads);
    }

    /**
     * By embedding, attention and MLP, each with its label.
     *
     * @param labels {@code embed}, {@code 0_attn_out}, …
     * @param values [component] at one position, or [component, pos]
     */
    public record Attributions(List<String> labels, Tensor values) {}

    /** By embedding, attention and MLP, at one position. */
    public Attributions layers(long position) {
        return labelled(
                analysis.decomposeResid(StackOptions.defaults().applyLn().position(position)));
    }

    /** By embedding, attention and MLP, at every position. */
    public Attributions layersByPosition() {
        return labelled(analysis.decomposeResid(StackOptions.defaults().applyLn()));
    }

    /** What the residual stream says at each layer, at one position: {@code 0_pre}, …, {@code final_post}. */
    public Attributions accumulated(long position) {
        ResidualStack stack = analysis.accumulatedResid(StackOptions.defaults().position(position));
        int layers = analysis.cache().model().config().nLayers();
        return labelled(analysis.applyLnToStack(stack, layers, false));
    }

    private Attributions labelled(ResidualStack stack) {
        return new Attributions(stack.labels(), attribute(stack));
    }

    private Tensor attribute(ResidualStack stack) {
        Tensor values = wrong == null ? analysis.logitAttrs(stack, answer) : analysis.logitAttrs(stack, answer, wrong);
        boolean positions = !(stack.positions() instanceof Index.One);
        int batchAxis = values.rank() - (positions ? 2 : 1);
        return analysis.cache().hasBatchDim() ? values.mean(batchAxis) : values;
    }
}
