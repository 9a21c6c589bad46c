package dev.loupe.architectures.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;

/** What the {@code post_processor} of a {@code tokenizer.json} puts in front of a text. */
final class PostProcessor {

    private PostProcessor() {}

    /** Whether it begins a text with a token. */
    static boolean putsFirst(JsonNode processor, long token) {
        return switch (processor.path("type").asText()) {
            case "Sequence" -> {
                for (JsonNode step : processor.path("processors")) {
                    if (putsFirst(step, token)) {
                        yield true;
                    }
                }
                yield false;
            }
            case "TemplateProcessing" -> {
                JsonNode special = processor.path("single").path(0).path("SpecialToken");
                JsonNode ids = processor
                        .path("special_tokens")
                        .path(special.path("id").asText())
                        .path("ids");
                yield ids.path(0).asLong(-1) == token;
            }
            case "BertProcessing", "RobertaProcessing" ->
                processor.path("cls").path(1).asLong(-1) == token;
            default -> false;
        };
    }
}
