package dev.loupe.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The kit finds what is wrong: backends with one fault each fail at the rule that is about it. */
class MutantsTest {

    @TempDir
    private Path reports;

    private Fault inflicted = Fault.NONE;

    /** A fault, the rule that must fail (or some of its tests), and a word that the message must have. */
    private record Mutant(String path, String word, Supplier<Fault> fault) {
        String rule() {
            return path.replaceFirst("/.*", "");
        }

        @Override
        public String toString() {
            return fault.get().getClass().getSimpleName() + " fails at " + rule();
        }
    }

    private static Mutant mutant(String path, String word, Supplier<Fault> fault) {
        return new Mutant(path, word, fault);
    }

    /** Those of one rule or section alone, {@code -Dloupe.mutants=6.14}, or all. */
    static Stream<Mutant> mutants() {
        return all().filter(mutant -> mutant.path().startsWith(System.getProperty("loupe.mutants", "")));
    }

    private static Stream<Mutant> all() {
        return Stream.of(
                mutant("1.1", "id", ProviderFaults.MalformedId::new),
                mutant("1.3", "spiVersion", ProviderFaults.OldVersion::new),
                mutant("1.5", "the driver isn't there", ProviderFaults.ProbeThrows::new),
                mutant("1.9", "cuda:97", ProviderFaults.FallsBackToTheCpu::new),
                mutant("2.1", "bool", ProviderFaults.DeclaresTooLittle::new),
                mutant("2.2", "int32", ProviderFaults.RefusesADeclaredType::new),
                mutant("2.2", "what came back", ProviderFaults.RoundsOnUpload::new),
                mutant("2.3", "bfloat16", ProviderFaults.AcceptsUndeclaredTypes::new),
                mutant("2.6", "downloaded", ProviderFaults.OneBufferForAllDownloads::new),
                mutant("2.7", "float16", OperationFaults.ComputesInStorageTypes::new),
                mutant("3.1", "int32", OperationFaults.ResultsOfTheWrongType::new),
                mutant("3.3", "sub", OperationFaults.BroadcastsTheWrongSide::new),
                mutant("3.5", "what doesn't fit", OperationFaults.CastsAsTheProcessorDoes::new),
                mutant("3.6", "matmul", () -> new OperationFaults.ProductsOff(1.1)),
                mutant("3.8", "argmax", OperationFaults.LastOfEqualsWins::new),
                mutant("3.11", "index", OperationFaults.NegativeIndicesWrap::new),
                mutant("3.12/slice", "slice", OperationFaults.LongStepsWrap::new),
                mutant("3.13", "softmax", OperationFaults.SoftmaxOverTheWrongAxis::new),
                mutant("3.13", "-inf", OperationFaults.MaskedRowGivesNan::new),
                mutant("3.14", "gelu_tanh", OperationFaults.OneGeluForTheOther::new),
                mutant("3.15", "layer_norm", OperationFaults.UnbiasedVariance::new),
                mutant("3.18", "NaN", OperationFaults.ReluSwallowsNan::new),
                mutant("3.21", "input 0", OperationFaults.WorksInPlace::new),
                mutant("3.21", "same handle", OperationFaults.GivesBackTheInput::new),
                mutant("3.22", "nothing to join", OperationFaults.ForgetsZeroLength::new),
                mutant("3.25", "engine error 12", OperationFaults.WantOfMemoryIsAnyError::new),
                mutant("4.1", "prepared for", GraphFaults.OneSizeOnly::new),
                mutant("4.2", "slot", GraphFaults.IgnoresTheOrderWanted::new),
                mutant("4.3", "slot", GraphFaults.StaleOutputs::new),
                mutant("4.4", "closed", GraphFaults.ClosesItsInputs::new),
                mutant("4.4", "same handle", GraphFaults.OneHandleForEqualResults::new),
                mutant("4.5", "the weight", GraphFaults.ClosesItsWeights::new),
                mutant("4.6", "the block's result", GraphFaults.ObservingCosts::new),
                mutant("4.9", "failed before", GraphFaults.BreaksAfterAFailure::new),
                mutant("4.10/mistral/raw", "hook_", GraphFaults.HooksFireLate::new),
                mutant("4.11/gpt2/raw/padded_right", "the edit was dropped", GraphFaults.EditsAreDropped::new),
                mutant("5.1/llama/raw", "the cached value", GraphFaults.TheCacheRecordsBeforeTheEdit::new),
                mutant("5.3", "after other runs", GraphFaults.OutputsAreOverwritten::new),
                mutant("6.1", "closed already", ProviderFaults.SecondCloseThrows::new),
                mutant("6.2", "MiB", ProviderFaults.KeepsEveryTensor::new),
                mutant("6.3", "MiB", OperationFaults.KeepsWhatFailed::new),
                mutant("6.5", "thread", OperationFaults.SharesScratchMemory::new),
                mutant("6.6/oneGraphRunsFromManyThreads", "thread", GraphFaults.InputsInOnePlace::new),
                mutant("6.7", "another backend was closed", ProviderFaults.OneClosesAll::new),
                mutant("6.8", "mutant-worker", ProviderFaults.LeavesAThread::new),
                mutant("6.9", "MiB", GraphFaults.KeepsWhatItPrepared::new),
                mutant("6.11", "memory has been freed", ProviderFaults.TensorsGoWithTheBackend::new),
                mutant("6.12", "hook_embed", GraphFaults.ResultsGoWithTheGraph::new),
                mutant("6.13", "interrupted while compiling", GraphFaults.InterruptsEndPreparing::new),
                mutant("8.1", "run again", OperationFaults.NotTheSameTwice::new),
                mutant("8.2", "float64", OperationFaults.Float64ThroughFloat32::new),
                mutant("8.3", "float32", OperationFaults.TensorCores::new),
                mutant("8.4", "add", OperationFaults.Int64ThroughDouble::new),
                mutant("3.10/scatter_add", "scatter_add", GradientFaults.UpdatesOverwrite::new),
                mutant("3.12/unslice", "unslice", GradientFaults.PutBackAtTheBeginning::new),
                mutant("3.12/split_like", "split_like", GradientFaults.PiecesInTheWrongOrder::new),
                mutant("9.1", "gelu_tanh_gradient", GradientFaults.OneGeluForTheOther::new),
                mutant("9.1", "softmax_gradient", GradientFaults.SoftmaxWithoutItsSum::new),
                mutant("9.1", "layer_norm_gradient", GradientFaults.NormForgetsToCentre::new),
                mutant("9.2/cumsum", "cumsum", GradientFaults.SumsForwardsOnly::new),
                mutant("9.3", "relu at 0", GradientFaults.GreaterOrEqual::new),
                mutant("3.26/softmax", "softmax", SizeFaults.SoftmaxOfOneTile::new),
                mutant("3.26/log_softmax", "log_softmax", SizeFaults.LogSoftmaxSumsOneTile::new),
                mutant("3.26/layer_norm", "layer_norm", SizeFaults.LayerNormOfOneTile::new),
                mutant("3.26/rms_norm", "rms_norm", SizeFaults.RmsNormOfOneTile::new),
                mutant("3.26/reduce_min", "reduce_min", SizeFaults.LargestOfOneTile::new),
                mutant("3.26/topk", "topk", SizeFaults.TopOfOneTile::new),
                mutant("3.26/matmul", "matmul", SizeFaults.ProductWithoutItsTail::new),
                mutant("3.26/exp", "exp", SizeFaults.ExpOfOneTile::new),
                mutant("3.26/transpose", "transpose", SizeFaults.CopiesOneTile::new),
                mutant("3.26/reduce_sum", "reduce_sum", SizeFaults.SumsIn16Bits::new),
                mutant("3.26/linear", "linear", SizeFaults.LinearInPiecesOf16Bits::new),
                mutant("3.26/cumsum", "cumsum", SizeFaults.RunningSumsBeginAnew::new),
                mutant("3.26/gather", "gather", SizeFaults.RowsIn16Bits::new),
                mutant("3.26/gather_elements", "gather_elements", SizeFaults.PlacesIn16Bits::new),
                mutant("3.26/scatter_elements", "scatter_elements", SizeFaults.PlacesInHalfPrecision::new),
                mutant("3.26/argmax", "argmax", SizeFaults.BestIn15Bits::new),
                mutant("3.26/concat", "concat", SizeFaults.JoinsEight::new),
                mutant("3.26/attention", "attention", SizeFaults.GroupsOfTwo::new),
                mutant("3.26/matmul", "matmul", SizeFaults.ProductsFourByFour::new),
                mutant("3.26/rotate", "rotate", SizeFaults.RotatesFourByFour::new),
                mutant("3.26/slice_scatter", "slice_scatter", SizeFaults.SliceCountsToOneTile::new),
                mutant("8.4", "max", () -> new SizeFaults.ThroughDouble("max")),
                mutant("8.4", "min", () -> new SizeFaults.ThroughDouble("min")),
                mutant("8.4", "lt", () -> new SizeFaults.ThroughDouble("lt")),
                mutant("8.4", "le", () -> new SizeFaults.ThroughDouble("le")),
                mutant("8.4", "gt", () -> new SizeFaults.ThroughDouble("gt")),
                mutant("8.4", "ge", () -> new SizeFaults.ThroughDouble("ge")),
                mutant("8.4", "eq", () -> new SizeFaults.ThroughDouble("eq")),
                mutant("8.4", "ne", () -> new SizeFaults.ThroughDouble("ne")),
                mutant("8.4", "mul", () -> new SizeFaults.ThroughDouble("mul")),
                mutant("8.4", "abs", () -> new SizeFaults.ThroughDouble("abs")),
                mutant("8.4", "reduce_prod", () -> new SizeFaults.ThroughDouble("reduce_prod")),
                mutant("8.4", "reduce_max", () -> new SizeFaults.ThroughDouble("reduce_max")),
                mutant("8.4", "argmin", () -> new SizeFaults.ThroughDouble("argmin")),
                mutant("8.4", "topk", () -> new SizeFaults.ThroughDouble("topk")),
                mutant("8.4", "cumsum", () -> new SizeFaults.ThroughDouble("cumsum")),
                mutant("8.4", "scatter_add", () -> new SizeFaults.ThroughDouble("scatter_add")),
                mutant("8.4", "scatter_elements", () -> new SizeFaults.ThroughDouble("scatter_elements")),
                mutant("8.4", "gather", () -> new SizeFaults.ThroughDouble("gather")),
                mutant("8.4", "where", () -> new SizeFaults.ThroughDouble("where")),
                mutant("8.4", "concat", () -> new SizeFaults.ThroughDouble("concat")),
                mutant("8.4", "expand", () -> new SizeFaults.ThroughDouble("expand")),
                mutant("6.9/closedGraphsKeepNotEvenAKibibyte", "KiB", MemoryFaults.KeepsARecordOfEachGraph::new),
                mutant("6.14/succeeding/small", "KiB", MemoryFaults.KeepsARecordOfEachRun::new),
                mutant("6.14/succeeding/small", "KiB", MemoryFaults.KeepsOutputsOfRuns::new),
                mutant("6.14/succeeding/large", "MiB", MemoryFaults.KeepsInputsOfRuns::new),
                mutant("6.14/failing/small", "KiB", MemoryFaults.KeepsWhatAFailedRunMade::new),
                mutant("6.14/failing/large", "MiB", MemoryFaults.KeepsWhatAFailedRunMade::new),
                mutant(
                        "6.9/closedGraphsKeepNotEvenAKibibyte",
                        "outside",
                        MemoryFaults.KeepsNativeMemoryOfEachGraph::new),
                mutant("6.14/succeeding/small", "outside", MemoryFaults.KeepsNativeMemoryOfEachRun::new),
                mutant("6.14/succeeding/small", "outside", MemoryFaults.KeepsNativeObjects::new),
                mutant("6.14/succeeding/small", "direct buffers", MemoryFaults.KeepsDirectBuffers::new),
                mutant("6.14/succeeding/large", "outside", MemoryFaults.KeepsNativeOutputs::new),
                mutant("6.14/failing/small", "outside", MemoryFaults.KeepsNativeInputsOfFailedRuns::new),
                mutant("6.14/failing/large", "outside", MemoryFaults.KeepsNativeInputsOfFailedRuns::new),
                mutant("4.2", "wanted", MemoryFaults.OwnOrderForAll::new),
                mutant("4.2", "wanted", MemoryFaults.SwapsTheLastOfThree::new),
                mutant("4.2", "wanted", MemoryFaults.SwapsOutputs::new),
                mutant("9.4/gpt2/raw", "the derivative at", GradientFaults.SoftmaxWithoutItsSum::new),
                mutant("3.27/matmul", "transposed", MixUpFaults.ProductsIgnoreTransposes::new),
                mutant("3.27/tanh", "stepped", MixUpFaults.FunctionsIgnoreSteps::new),
                mutant("3.27/reduce_sum", "offset", MixUpFaults.SumsIgnoreOffsets::new),
                mutant("3.27/layer_norm", "expanded", MixUpFaults.NormsIgnoreExpansion::new),
                mutant("4.18/transpose", "transpose", () -> new MixUpFaults.KernelsByNameAndShape("transpose")),
                mutant("4.18/slice", "slice", () -> new MixUpFaults.KernelsByNameAndShape("slice")),
                mutant("4.18/layer_norm", "layer_norm", () -> new MixUpFaults.KernelsByNameAndShape("layer_norm")),
                mutant("4.18/attention", "attention", () -> new MixUpFaults.KernelsByNameAndShape("attention")),
                mutant("4.18/topk", "topk", () -> new MixUpFaults.KernelsByNameAndShape("topk")),
                mutant("4.18/full", "full", () -> new MixUpFaults.KernelsByNameAndShape("full")),
                mutant("4.18/softmax", "softmax", MixUpFaults.GraphsByNamesAndShapes::new),
                mutant("4.5/one-name", "names are the same", MixUpFaults.WeightsByName::new),
                mutant("8.4/graph", "a graph of int64", MixUpFaults.IntsOfGraphsThroughDouble::new),
                mutant("4.1", "slot", MixUpFaults.RunsScaleTheWeights::new),
                mutant("4.9", "row 6 of 6", MixUpFaults.GraphsClampIndices::new),
                mutant("3.19/signs-of-zeros", "neg", FormulaFaults.NegatesFromZero::new),
                mutant("3.19/signs-of-zeros", "abs", FormulaFaults.AbsoluteByComparison::new),
                mutant("3.2/tanh", "tanh", FormulaFaults.TanhByExponentials::new),
                mutant("3.19/comparisons", "NaN", FormulaFaults.EqualAsObjects::new),
                mutant("3.19/comparisons", "NaN", FormulaFaults.AtMostIsNotGreater::new),
                mutant("3.8/zeros", "-0", FormulaFaults.BestAsJavaSorts::new),
                mutant("3.4", "where", FormulaFaults.PicksByArithmetic::new),
                mutant("3.5/cast/float32-to-bool", "cast", FormulaFaults.TruthOfTheWholePart::new),
                mutant("3.5/cast/float32-to-int32", "cast", FormulaFaults.CastsDown::new),
                mutant("3.3/pow", "negative bases", FormulaFaults.PowersByLogarithm::new),
                mutant("3.13/softmax", "softmax", FormulaFaults.SoftmaxWithoutMax::new),
                mutant("3.13/log_softmax", "log_softmax", FormulaFaults.LogarithmOfSoftmax::new),
                mutant("3.7/reduce_max", "reduce_max", FormulaFaults.LargestFromTheSmallestPositive::new),
                mutant("3.7/reduce_mean", "reduce_mean", FormulaFaults.MeansOfTheLastAxis::new),
                mutant("3.15/layer_norm", "layer_norm", FormulaFaults.OneEpsForAll::new),
                mutant("3.16/attention", "a scale of its own", FormulaFaults.OneScaleForAll::new),
                mutant("3.16/attention", "each row of the batch", FormulaFaults.MaskOfTheFirstRow::new),
                mutant("3.8/topk", "topk", FormulaFaults.UnstableBeyondSixteen::new),
                mutant("11.1", "-0.0 (0x8000)", SixteenBitFaults.UploadLosesTheSignOfZero::new),
                mutant("11.1", "NaN (0x7f81)", SixteenBitFaults.DownloadTurnsNanIntoInfinity::new),
                mutant("11.2", "float16 widened", SixteenBitFaults.WidensSubnormalsAsNormal::new),
                mutant("11.2", "bfloat16 widened", SixteenBitFaults.TakesOneForTheOther::new),
                mutant("11.3", "float32 rounded", SixteenBitFaults.CutsOnCasting::new),
                mutant("11.3", "float32 rounded", SixteenBitFaults.RoundsHalvesUp::new),
                mutant("11.3", "NaN (0x7f800001)", SixteenBitFaults.ForgetsNanOnCasting::new),
                mutant("11.3", "65520.0", SixteenBitFaults.SaturatesOnCasting::new),
                mutant("11.3", "float32 rounded", SixteenBitFaults.LosesSubnormalsOnCasting::new),
                mutant("11.4/matmul", "as float32 rounded", () -> new SixteenBitFaults.SumsIn16Bits("matmul")),
                mutant("11.4/reduce_sum", "as float32 rounded", () -> new SixteenBitFaults.SumsIn16Bits("reduce_sum")),
                mutant(
                        "11.4/reduce_mean",
                        "as float32 rounded",
                        () -> new SixteenBitFaults.SumsIn16Bits("reduce_mean")),
                mutant("11.4/cumsum", "as float32 rounded", () -> new SixteenBitFaults.SumsIn16Bits("cumsum")),
                mutant("11.4/softmax", "as float32 rounded", () -> new SixteenBitFaults.SumsIn16Bits("softmax")),
                mutant(
                        "11.4/log_softmax",
                        "as float32 rounded",
                        () -> new SixteenBitFaults.SumsIn16Bits("log_softmax")),
                mutant("11.4/layer_norm", "as float32 rounded", () -> new SixteenBitFaults.SumsIn16Bits("layer_norm")),
                mutant("11.4/rms_norm", "as float32 rounded", () -> new SixteenBitFaults.SumsIn16Bits("rms_norm")),
                mutant("11.5", "leans to no side", SixteenBitFaults.CutsResults::new),
                mutant("11.6/gpt2/raw", "hook_", SixteenBitFaults.MultipliesStoredWeightsNarrow::new),
                mutant("11.7/llama/raw", "root mean square", SixteenBitFaults.GraphsKeepFourBits::new),
                mutant("11.8", "gather is refused", SixteenBitFaults.ReadsNoStoredRows::new),
                mutant("11.8", "bfloat16 gathered", SixteenBitFaults.RowsLoseSubnormals::new));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mutants")
    void aMutantFailsAtTheRuleThatIsAboutIt(Mutant mutant) {
        assumeTrue(
                !mutant.word().equals("outside") || Files.isReadable(Path.of("/proc/self/smaps")),
                "what is kept outside the heap can be seen on Linux alone");
        inflict(mutant.fault().get());
        KitRun run = KitRun.of(MutantConformance.class, mutant.path(), reports);
        assertThat(run.failures)
                .as("failures among the tests of rule %s", mutant.rule())
                .isNotEmpty()
                .allSatisfy(failure -> assertThat(failure)
                        .contains("Rule " + mutant.rule() + " ")
                        .contains("intent:", "seed:", "-Dloupe.only=" + mutant.rule() + "/"));
        assertThat(run.failures).anySatisfy(failure -> assertThat(failure).contains(mutant.word()));
    }

    @Test
    void aMutantWithoutAFaultPasses() {
        inflict(Fault.NONE);
        String all = "1,2,3,4.1,4.2,4.3,4.4,4.5,4.6,4.7,4.8,4.9,5.3,6,8,9.1,9.2,9.3";
        String models =
                all().map(Mutant::path).filter(path -> path.contains("/")).collect(Collectors.joining(","));
        KitRun run = KitRun.of(MutantConformance.class, all + "," + models, reports);
        assertThat(run.failures).isEmpty();
        assertThat(run.passed).hasSizeGreaterThan(700);
        assertThat(reports).isDirectoryContaining("glob:**conformance-report.{json,md,html}");
    }

    @Test
    void aMutantThatComputesIn16BitsAsItShouldPasses() {
        inflict(new SixteenBitFaults.Computes());
        KitRun run = KitRun.of(MutantConformance.class, "3.5,11", reports);
        assertThat(run.failures).isEmpty();
        assertThat(run.passed).hasSizeGreaterThan(50);
    }

    @Test
    void theRuleThatNamesTheCauseComesFirst() throws IOException {
        inflict(new MemoryFaults.SwapsOutputs());
        KitRun run = KitRun.of(MutantConformance.class, "3.8,3.24,4.1,4.2,4.6,4.7,8.5", reports);
        assertThat(run.failures).hasSizeGreaterThan(5);
        String report = Files.readString(reports.resolve("conformance-report.md"));
        assertThat(report).contains("- look first at: rule 4.2, ", "may follow from it");
        assertThat(report.substring(report.indexOf("## Failures"))).matches("(?s)[^R]*Those[^R]*Rule 4\\.2 .*");
    }

    @Test
    void anErrorWithinTheTolerancePasses() {
        inflict(new OperationFaults.ProductsOff(0.9));
        KitRun run = KitRun.of(MutantConformance.class, "3.6", reports);
        assertThat(run.failures).isEmpty();
        assertThat(run.passed).isNotEmpty();
    }

    @Test
    void theLineThatReproducesAFailureRunsThatCaseAlone() {
        inflict(new OperationFaults.SoftmaxOverTheWrongAxis());
        KitRun all = KitRun.of(MutantConformance.class, "3.13/softmax/float32", reports);
        assertThat(all.failures).hasSize(1);
        String only = all.failures.get(0).replaceAll("(?s).*-Dloupe.only=(\\S+).*", "$1");
        assertThat(only).matches("3\\.13/softmax/float32/\\d+");
        KitRun one = KitRun.of(MutantConformance.class, only, reports);
        assertThat(one.failures).hasSize(1);
        assertThat(one.failures.get(0)).contains("1 of 1 cases failed");
    }

    private void inflict(Fault fault) {
        inflicted = fault;
        MutantProvider.inflict(fault);
    }

    @AfterEach
    void cureTheMutant() {
        inflicted.cleanUp();
        MutantProvider.inflict(Fault.NONE);
    }
}
