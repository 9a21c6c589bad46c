package dev.loupe.harvest.job;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonDeserializer;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonSerializer;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import dev.loupe.architecture.LoadOptions;
import dev.loupe.array.DType;
import dev.loupe.harvest.source.Sha256;
import dev.loupe.hook.Intervention;
import java.io.IOException;
import org.apiguardian.api.API;

/** Jobs as JSON: names in snake case, in one order, so that equal jobs have equal texts. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class JobJson {

    private static final ObjectMapper MAPPER = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
            .addMixIn(LoadOptions.class, OptionsAsJson.class)
            .addModule(new SimpleModule()
                    .addSerializer(AttentionStatistic.class, new AsText<>())
                    .addDeserializer(AttentionStatistic.class, new FromText<>(AttentionStatistic::parse))
                    .addSerializer(DType.class, new LabelToJson())
                    .addDeserializer(DType.class, new FromText<>(DType::parse))
                    .addSerializer(Positions.class, new AsText<>())
                    .addDeserializer(Positions.class, new FromText<>(Positions::parse))
                    .addSerializer(Intervention.class, new InterventionAsJson())
                    .addDeserializer(Intervention.class, new InterventionFromJson()))
            .build();

    private JobJson() {}

    /** The mapper for jobs and for what has jobs in it. */
    public static ObjectMapper mapper() {
        return MAPPER;
    }

    static String write(HarvestJob job) {
        // An intervention that is code says itself that it can't be written.
        job.interventions().forEach(Intervention::toJson);
        try {
            return MAPPER.writeValueAsString(job);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("The job can't be written as JSON: " + e.getOriginalMessage(), e);
        }
    }

    static HarvestJob read(String json) {
        try {
            HarvestJob job = MAPPER.readValue(json, HarvestJob.class);
            if (job == null) {
                throw new IllegalArgumentException("This is no job of a harvest: null");
            }
            return job;
        } catch (JsonMappingException e) {
            throw new IllegalArgumentException("This is no job of a harvest: " + reason(e), e);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("This is no job of a harvest: " + e.getOriginalMessage(), e);
        }
    }

    /** Why something couldn't be read, and where. */
    public static String reason(JsonMappingException e) {
        StringBuilder path = new StringBuilder();
        for (JsonMappingException.Reference step : e.getPath()) {
            path.append(path.isEmpty() || step.getFieldName() == null ? "" : ".")
                    .append(step.getFieldName() == null ? "[" + step.getIndex() + "]" : step.getFieldName());
        }
        return e.getOriginalMessage() + (path.isEmpty() ? "" : " (at " + path + ")");
    }

    static String digest(HarvestJob job) {
        return Sha256.of(job.toJson());
    }

    /** A tokenizer and a listener are no data; jobs have none. */
    @JsonIgnoreProperties({"tokenizer", "listener"})
    private interface OptionsAsJson {}

    private static final class LabelToJson extends JsonSerializer<DType> {
        @Override
        public void serialize(DType value, JsonGenerator to, SerializerProvider provider) throws IOException {
            to.writeString(value.label());
        }
    }

    private static final class AsText<T> extends JsonSerializer<T> {
        @Override
        public void serialize(T value, JsonGenerator to, SerializerProvider provider) throws IOException {
            to.writeString(value.toString());
        }
    }

    private interface Parser<T> {
        T parse(String text);
    }

    private static final class FromText<T> extends JsonDeserializer<T> {
        private final Parser<T> parser;

        FromText(Parser<T> parser) {
            this.parser = parser;
        }

        @Override
        public T deserialize(JsonParser from, DeserializationContext context) throws IOException {
            String text = from.getValueAsString();
            if (text == null) {
                throw JsonMappingException.from(from, "a text was expected");
            }
            try {
                return parser.parse(text);
            } catch (IllegalArgumentException e) {
                throw JsonMappingException.from(from, e.getMessage(), e);
            }
        }
    }

    private static final class InterventionAsJson extends JsonSerializer<Intervention> {
        @Override
        public void serialize(Intervention value, JsonGenerator to, SerializerProvider provider) throws IOException {
            to.writeTree(MAPPER.readTree(value.toJson()));
        }
    }

    private static final class InterventionFromJson extends JsonDeserializer<Intervention> {
        @Override
        public Intervention deserialize(JsonParser from, DeserializationContext context) throws IOException {
            try {
                return Intervention.fromJson(context.readTree(from).toString());
            } catch (IllegalArgumentException e) {
                throw JsonMappingException.from(from, e.getMessage(), e);
            }
        }
    }
}
