package dev.loupe.harvest.spark;

import java.io.Serializable;
import java.util.Arrays;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * Where documents are in a record.
 *
 * @param document the number of the column with a text or a list of token ids
 * @param texts whether it is a text
 * @param id the number of the column with the document's number; −1 if there is none
 */
record Columns(int document, boolean texts, int id) implements Serializable {

    static Columns of(StructType schema, String document, @Nullable String id) {
        int at = index(schema, document);
        DataType type = schema.fields()[at].dataType();
        boolean texts = type.equals(DataTypes.StringType);
        boolean tokens = type instanceof ArrayType list && isWhole(list.elementType());
        if (!texts && !tokens) {
            throw new IllegalArgumentException("The column '" + document + "' is " + type.simpleString()
                    + "; documents are strings, or arrays of token ids (int or bigint)");
        }
        if (id == null) {
            return new Columns(at, texts, -1);
        }
        int idAt = index(schema, id);
        if (!isWhole(schema.fields()[idAt].dataType())) {
            throw new IllegalArgumentException("The column '" + id + "' is "
                    + schema.fields()[idAt].dataType().simpleString() + "; documents' numbers are int or bigint");
        }
        return new Columns(at, texts, idAt);
    }

    private static boolean isWhole(DataType type) {
        return type.equals(DataTypes.IntegerType) || type.equals(DataTypes.LongType);
    }

    private static int index(StructType schema, String name) {
        int at = Arrays.asList(schema.fieldNames()).indexOf(name);
        if (at < 0) {
            throw new IllegalArgumentException(
                    "There is no column '" + name + "'; there are " + Arrays.toString(schema.fieldNames()));
        }
        return at;
    }
}
