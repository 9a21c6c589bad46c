package dev.loupe.analysis.views;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.SerializableString;
import com.fasterxml.jackson.core.io.CharacterEscapes;
import com.fasterxml.jackson.core.io.SerializedString;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.StdSerializer;
import java.io.IOException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The data of a page as JSON. What HTML could take for its own is escaped, so that the result can stand in a script
 * element whatever the labels are.
 */
final class PageData {

    private static final JsonMapper MAPPER = JsonMapper.builder()
            .addModule(new SimpleModule().addSerializer(new OneNumber()).addSerializer(new Numbers()))
            .build();

    static {
        MAPPER.getFactory().setCharacterEscapes(new InScripts());
    }

    private PageData() {}

    static String write(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("No JSON for a " + value.getClass(), e);
        }
    }

    /** Five digits are more than a picture shows, and keep pages small. What isn't a number is null. */
    private static void write(double number, JsonGenerator out) throws IOException {
        int digits = number == 0 ? 0 : 4 - (int) Math.floor(Math.log10(Math.abs(number)));
        if (!Double.isFinite(number)) {
            out.writeNull();
        } else if (digits < 0 || digits > 15) {
            out.writeNumber((float) number);
        } else {
            double factor = Math.pow(10, digits);
            double rounded = Math.rint(number * factor) / factor;
            if (rounded == Math.rint(rounded)) {
                out.writeNumber((long) rounded);
            } else {
                out.writeNumber(rounded);
            }
        }
    }

    private static final class OneNumber extends StdSerializer<Double> {
        private static final long serialVersionUID = 1;

        OneNumber() {
            super(Double.class);
        }

        @Override
        public void serialize(Double number, JsonGenerator out, SerializerProvider provider) throws IOException {
            write(number, out);
        }
    }

    private static final class Numbers extends StdSerializer<double[]> {
        private static final long serialVersionUID = 1;

        Numbers() {
            super(double[].class);
        }

        @Override
        public void serialize(double[] numbers, JsonGenerator out, SerializerProvider provider) throws IOException {
            out.writeStartArray(numbers, numbers.length);
            for (double number : numbers) {
                write(number, out);
            }
            out.writeEndArray();
        }
    }

    /** Letters of all languages stay readable; what HTML reads, separators, surrogates and the like are escaped. */
    private static final class InScripts extends CharacterEscapes {
        private static final long serialVersionUID = 1;

        @Override
        public int[] getEscapeCodesForAscii() {
            int[] codes = new int[128];
            for (char c = 0; c < codes.length; c++) {
                boolean plain = c >= ' ' && c < 0x7F && "\"\\<>&'".indexOf(c) < 0;
                codes[c] = plain ? ESCAPE_NONE : ESCAPE_CUSTOM;
            }
            return codes;
        }

        @Override
        public @Nullable SerializableString getEscapeSequence(int c) {
            boolean plain = c >= 0x80 && Character.isLetterOrDigit((char) c);
            return plain ? null : new SerializedString(String.format(Locale.ROOT, "\\u%04x", c));
        }
    }
}
