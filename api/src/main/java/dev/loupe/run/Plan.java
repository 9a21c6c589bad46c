package dev.loupe.run;

import dev.loupe.backend.Segment;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.pass.Uses;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How to carry out one kind of run: segments and Java code in order, over numbered places that hold tensors.
 *
 * @param places how many places there are
 * @param inputs place of each graph input and each fed hook point that the run reads
 * @param actions what to do, in order
 * @param observed place of the value that leaves each observed hook point
 * @param settled for each action, the observed points whose value is neither an output nor read after it
 * @param outputs place of each wanted output
 * @param conflicts points at which hooks may look but not change anything, because of other hooks, and why
 */
@SuppressWarnings("ArrayRecordComponent") // nobody compares actions
record Plan(
        int places,
        Map<String, Integer> inputs,
        List<Action> actions,
        Map<String, Integer> observed,
        List<List<String>> settled,
        Map<String, Integer> outputs,
        Map<String, String> conflicts) {

    /** A step of a plan. */
    sealed interface Action {
        /** Places that nobody reads afterwards. */
        int[] freed();

        /** Places that this reads or writes. */
        BitSet touched();

        /** The same with other places to free. */
        Action freeing(int[] places);
    }

    /**
     * Runs a segment.
     *
     * @param key the segment
     * @param inputs place of each of the segment's inputs
     * @param wanted slots to ask for
     * @param results place of each of them
     */
    record RunSegment(Key key, int[] inputs, List<Integer> wanted, int[] results, int[] freed) implements Action {

        @Override
        public BitSet touched() {
            BitSet places = new BitSet();
            Arrays.stream(inputs).forEach(places::set);
            Arrays.stream(results).forEach(places::set);
            return places;
        }

        @Override
        public Action freeing(int[] places) {
            return new RunSegment(key, inputs, wanted, results, places);
        }
    }

    /**
     * Runs Java code on the value in one place and puts what comes out into another.
     *
     * @param point where
     * @param number which of the point's pieces of code it is
     */
    record Callback(HookPoint point, int number, int from, int to, int[] freed) implements Action {

        @Override
        public BitSet touched() {
            BitSet places = new BitSet();
            places.set(from);
            places.set(to);
            return places;
        }

        @Override
        public Action freeing(int[] places) {
            return new Callback(point, number, from, to, places);
        }
    }

    /** The actions with the places noted in each that nobody reads after it. What is kept is never freed. */
    static List<Action> withFreedPlaces(List<Action> actions, List<Integer> kept) {
        BitSet never = new BitSet();
        kept.forEach(never::set);
        List<int[]> freed =
                Uses.freedAfter(actions.stream().map(Action::touched).toList(), never);
        List<Action> done = new ArrayList<>();
        for (int i = 0; i < freed.size(); i++) {
            done.add(actions.get(i).freeing(freed.get(i)));
        }
        return List.copyOf(done);
    }

    /**
     * Of each action, the observed points that it is the last to read or write, but for those whose value is an output or
     * observed under another name too.
     */
    static List<List<String>> settled(
            List<Action> actions, Map<String, Integer> observed, Collection<Integer> outputs) {
        Map<Integer, List<String>> names = new HashMap<>();
        observed.forEach((name, place) ->
                names.computeIfAbsent(place, key -> new ArrayList<>()).add(name));
        return withFreedPlaces(actions, List.copyOf(outputs)).stream()
                .map(action -> Arrays.stream(action.freed())
                        .mapToObj(place -> names.getOrDefault(place, List.of()))
                        .filter(known -> known.size() == 1)
                        .flatMap(List::stream)
                        .toList())
                .toList();
    }

    /** A segment with its hash code, which is costly, computed once. */
    static final class Key {
        private final Segment segment;
        private final int hash;

        Key(Segment segment) {
            this.segment = segment;
            this.hash = segment.hashCode();
        }

        Segment segment() {
            return segment;
        }

        @Override
        public boolean equals(Object other) {
            return other == this || (other instanceof Key key && hash == key.hash && segment.equals(key.segment));
        }

        @Override
        public int hashCode() {
            return hash;
        }
    }
}
