package dev.loupe.harvest.parquet.hadoop;

import dev.loupe.array.Nearest;
import dev.loupe.harvest.source.Document;
import dev.loupe.harvest.source.DocumentSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.ParquetReadOptions;
import org.apache.parquet.conf.ParquetConfiguration;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.api.ReadSupport;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.io.InputFile;
import org.apache.parquet.io.LocalInputFile;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.jspecify.annotations.Nullable;

/** A column of a Parquet file. */
final class ParquetSource implements DocumentSource {

    private final Path file;
    private final String column;

    ParquetSource(Path file, String column) {
        this.file = file;
        this.column = column;
    }

    @Override
    public String name() {
        return file.toString();
    }

    @Override
    public Documents open() throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IOException("There is no file " + file);
        }
        InputFile input = new LocalInputFile(file);
        ParquetConfiguration configuration = new PlainParquetConfiguration();
        MessageType schema;
        long records;
        try (ParquetFileReader footer = ParquetFileReader.open(
                input, ParquetReadOptions.builder(configuration).build())) {
            schema = footer.getFileMetaData().getSchema();
            records = footer.getRecordCount();
        } catch (RuntimeException e) {
            throw new IOException(file + " is no Parquet file: " + e.getMessage(), e);
        }
        if (!schema.containsField(column)) {
            List<String> names = schema.getFields().stream().map(Type::getName).toList();
            throw new IOException(file + " has no column '" + column + "'; it has "
                    + (names.size() > 10 ? Nearest.to(column, names, 5) + " and others" : names));
        }
        Type type = schema.getType(column);
        if (type.isPrimitive() && type.asPrimitiveType().getPrimitiveTypeName() != PrimitiveTypeName.BINARY) {
            throw new IOException(file + ": the column '" + column + "' is "
                    + type.asPrimitiveType().getPrimitiveTypeName().name().toLowerCase(Locale.ROOT)
                    + "; documents are texts, or lists of token ids");
        }
        return new Records(
                new Builder(input, configuration, new MessageType("documents", type)).build(), records, type);
    }

    private static final class Builder extends ParquetReader.Builder<Group> {
        private final MessageType projection;

        Builder(InputFile input, ParquetConfiguration configuration, MessageType projection) {
            super(input, configuration);
            this.projection = projection;
        }

        @Override
        protected ReadSupport<Group> getReadSupport() {
            return new Projection(projection);
        }
    }

    /** Reads one column. Given as text, the way of Parquet's own, a schema doesn't survive a Turkish locale. */
    private static final class Projection extends GroupReadSupport {
        private final MessageType columns;

        Projection(MessageType columns) {
            this.columns = columns;
        }

        @Override
        public ReadContext init(Configuration configuration, Map<String, String> metadata, MessageType file) {
            return new ReadContext(columns);
        }

        @Override
        public ReadContext init(ParquetConfiguration configuration, Map<String, String> metadata, MessageType file) {
            return new ReadContext(columns);
        }
    }

    private final class Records implements Documents {
        private final ParquetReader<Group> reader;
        private final long count;
        private final Type type;
        private long next;

        Records(ParquetReader<Group> reader, long count, Type type) {
            this.reader = reader;
            this.count = count;
            this.type = type;
        }

        @Override
        public @Nullable Document next() throws IOException {
            Group record;
            try {
                record = reader.read();
            } catch (IOException | RuntimeException e) {
                throw new IOException("Can't read record " + next + " of " + file + ": " + e.getMessage(), e);
            }
            if (record == null) {
                return null;
            }
            long id = next++;
            String place = file + ", record " + id;
            if (record.getFieldRepetitionCount(0) == 0) {
                return Document.tokens(id, place);
            }
            if (type.isPrimitive()) {
                return Document.text(id, place, record.getString(0, 0));
            }
            Group list = record.getGroup(0, 0);
            long[] ids = new long[list.getFieldRepetitionCount(0)];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = id(list, i, place);
            }
            return Document.tokens(id, place, ids);
        }

        private long id(Group list, int i, String place) throws IOException {
            boolean nested = !list.getType().getType(0).isPrimitive();
            Group holder = nested ? list.getGroup(0, i) : list;
            int at = nested ? 0 : i;
            Type element = holder.getType().getType(0);
            if (element.isPrimitive() && holder.getFieldRepetitionCount(0) > at) {
                PrimitiveTypeName kind = element.asPrimitiveType().getPrimitiveTypeName();
                if (kind == PrimitiveTypeName.INT64) {
                    return holder.getLong(0, at);
                }
                if (kind == PrimitiveTypeName.INT32) {
                    return holder.getInteger(0, at);
                }
            }
            throw new IOException(place + ": the list in '" + column + "' should be of token ids, found "
                    + (element.isPrimitive()
                            ? element.asPrimitiveType()
                                    .getPrimitiveTypeName()
                                    .name()
                                    .toLowerCase(Locale.ROOT)
                            : "groups"));
        }

        @Override
        public double fraction() {
            return count == 0 ? 1 : (double) next / count;
        }

        @Override
        public void close() throws IOException {
            reader.close();
        }
    }
}
