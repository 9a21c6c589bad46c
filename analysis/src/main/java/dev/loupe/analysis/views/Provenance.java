package dev.loupe.analysis.views;

import dev.loupe.model.HookedTransformer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import org.apiguardian.api.API;

/**
 * Where the numbers of a page come from: which model said what to which prompts, computed by what, and when. It stands
 * below the page's heading.
 *
 * @param facts names and values, in order: {@code model}, {@code backend}, …
 * @param prompts what each prompt is, such as "clean", and its text
 * @param date when it was computed
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Provenance(Map<String, String> facts, List<Prompt> prompts, Instant date) {

    private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'", Locale.ROOT);

    /**
     * A text that a model was given.
     *
     * @param name what it is
     * @param text the text
     */
    public record Prompt(String name, String text) {}

    /** Copies what is given. */
    public Provenance {
        facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
        prompts = List.copyOf(prompts);
    }

    /** Loupe's version and the present time, of no model. */
    public static Provenance now() {
        return new Provenance(Map.of(), List.of(), Instant.now());
    }

    /** The model's name, size and data type, its backend, Loupe's version and the present time. */
    public static Provenance of(HookedTransformer model) {
        return of(model, model.config().modelName());
    }

    /**
     * As {@link #of(HookedTransformer)}, under the name that the reader knows the model by.
     *
     * @param name what the model was asked for as: {@code gpt2-small}, a directory
     */
    public static Provenance of(HookedTransformer model, String name) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("model", name);
        facts.put("layers", model.config().nLayers() + " of " + model.config().nHeads() + " heads");
        facts.put("backend", model.backend().id());
        return new Provenance(facts, List.of(), Instant.now());
    }

    /** The same with one prompt more, called {@code prompt}. */
    public Provenance prompt(String text) {
        return prompt("prompt", text);
    }

    /** The same with one prompt more. */
    public Provenance prompt(String name, String text) {
        List<Prompt> more = new ArrayList<>(prompts);
        more.add(new Prompt(name, text));
        return new Provenance(facts, more, date);
    }

    /** The same with one fact more: an intervention, a seed, a dictionary. */
    public Provenance fact(String name, String value) {
        Map<String, String> more = new LinkedHashMap<>(facts);
        more.put(name, value);
        return new Provenance(more, prompts, date);
    }

    /** The same of another time. */
    public Provenance date(Instant value) {
        return new Provenance(facts, prompts, value);
    }

    Map<String, Object> json() {
        Map<String, String> all = new LinkedHashMap<>(facts);
        all.put("Loupe", version());
        all.put("date", DATE.format(date.atOffset(ZoneOffset.UTC)));
        Map<String, Object> json = new LinkedHashMap<>();
        json.put(
                "facts",
                all.entrySet().stream()
                        .map(fact -> List.of(Labels.visible(fact.getKey()), Labels.visible(fact.getValue())))
                        .toList());
        json.put(
                "prompts",
                prompts.stream()
                        .map(prompt -> List.of(Labels.visible(prompt.name()), prompt.text()))
                        .toList());
        return json;
    }

    /** Loupe's version, as it was built: what pages and {@code loupe --version} say. */
    public static String version() {
        Properties properties = new Properties();
        try (InputStream in = Provenance.class.getResourceAsStream("version.properties")) {
            if (in == null) {
                throw new IllegalStateException("There is no resource version.properties");
            }
            properties.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("version", "unknown");
    }
}
