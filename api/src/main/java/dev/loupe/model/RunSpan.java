package dev.loupe.model;

import dev.loupe.architecture.StandardNames;
import dev.loupe.graph.Graph;
import dev.loupe.graph.HookPoint;
import dev.loupe.graph.Value;

/**
 * The part of the model that a run passes: from the embedding or a layer, to the end or the entrance of a layer.
 *
 * @param from the number of the graph's first value that is passed
 * @param to of the last one
 * @param stop the layer before which the run stops, counted from the start; −1 if it goes on to the end
 * @param start the layer at which it starts, counted from the start; −1 if it starts with the embedding
 * @param inWords from where to where
 */
record RunSpan(int from, int to, int start, int stop, Graph graph, String inWords) {

    static RunSpan of(RunRequest request, Graph graph, int layers) {
        int from = 0;
        int to = Integer.MAX_VALUE;
        int start = -1;
        int stop = -1;
        if (request.startAtLayer().isPresent()) {
            start = layer(request.startAtLayer().get(), "start_at_layer", layers);
            if (start == layers) {
                throw new IllegalArgumentException("start_at_layer "
                        + request.startAtLayer().get() + " is beyond the last layer; there are " + layers + " layers");
            }
            Value entry = graph.hooks().get("blocks." + start + ".hook_resid_pre");
            from = entry == null ? 0 : entry.id();
        }
        if (request.stopAtLayer().isPresent()) {
            stop = layer(request.stopAtLayer().get(), "stop_at_layer", layers);
            Value end = graph.outputs().get(StandardNames.residualEntering(stop));
            to = end == null ? to : end.id();
        }
        String inWords = "from "
                + request.startAtLayer().map(layer -> "layer " + layer).orElse("the embedding") + " to "
                + request.stopAtLayer()
                        .map(layer -> "the entrance of layer " + layer)
                        .orElse("the end");
        return new RunSpan(from, to, start, stop, graph, inWords);
    }

    private static int layer(int layer, String what, int layers) {
        int index = layer < 0 ? layer + layers : layer;
        if (index < 0 || index > layers) {
            throw new IllegalArgumentException(what + " " + layer + " is out of range: the model has " + layers
                    + " layers, so it goes from " + -layers + " to " + layers);
        }
        return index;
    }

    boolean passes(HookPoint point) {
        Value value = graph.hooks().get(point.name());
        return value != null && value.id() >= from && value.id() <= to;
    }
}
