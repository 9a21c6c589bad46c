package dev.loupe.conformance;

import dev.loupe.array.HostTensor;
import dev.loupe.graph.Op;
import dev.loupe.graph.Op.ActivationKind;
import dev.loupe.graph.Op.BinaryKind;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Faults in the operations that derivatives are made of. */
final class GradientFaults {

    private GradientFaults() {}

    static final class UpdatesOverwrite extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            return sound.run(op instanceof Op.ScatterAdd scatter ? new Op.ScatterElements(scatter.axis()) : op, inputs);
        }
    }

    static final class PutBackAtTheBeginning extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            if (op instanceof Op.Unslice slice && slice.step() == 1) {
                long size = inputs.get(0).shape().size(slice.axis());
                return sound.run(new Op.Unslice(slice.axis(), 0, size, 1), inputs);
            }
            return sound.run(op, inputs);
        }
    }

    static final class PiecesInTheWrongOrder extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            List<HostTensor> results = new ArrayList<>(sound.run(op, inputs));
            if (op instanceof Op.SplitLike) {
                Collections.reverse(results);
            }
            return results;
        }
    }

    static final class OneGeluForTheOther extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean other = op.equals(new Op.ActivationGradient(ActivationKind.GELU_TANH));
            return sound.run(other ? new Op.ActivationGradient(ActivationKind.GELU) : op, inputs);
        }
    }

    static final class SoftmaxWithoutItsSum extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            return sound.run(op instanceof Op.SoftmaxGradient ? new Op.Binary(BinaryKind.MUL) : op, inputs);
        }
    }

    static final class NormForgetsToCentre extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            return sound.run(op instanceof Op.NormGradient norm ? new Op.NormGradient(false, norm.eps()) : op, inputs);
        }
    }

    static final class SumsForwardsOnly extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            return sound.run(op instanceof Op.CumSum sum ? new Op.CumSum(sum.axis()) : op, inputs);
        }
    }

    static final class GreaterOrEqual extends Fault {
        @Override
        List<HostTensor> compute(Op op, List<HostTensor> inputs, Computation sound) {
            boolean greater = op.equals(new Op.Binary(BinaryKind.GT));
            return sound.run(greater ? new Op.Binary(BinaryKind.GE) : op, inputs);
        }
    }
}
