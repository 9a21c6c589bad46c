package dev.loupe.harvest.spark;

import dev.loupe.harvest.source.Document;
import dev.loupe.harvest.source.DocumentSource;
import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.sql.Row;
import org.jspecify.annotations.Nullable;

/** The records of a partition as documents. They come by once. */
final class PartitionDocuments implements DocumentSource {

    private final Iterator<Row> records;
    private final Columns columns;
    private final int partition;
    private long next;

    PartitionDocuments(Iterator<Row> records, Columns columns, int partition) {
        this.records = records;
        this.columns = columns;
        this.partition = partition;
    }

    @Override
    public String name() {
        return "partition " + partition;
    }

    @Override
    public Documents open() {
        return new Documents() {
            @Override
            public @Nullable Document next() throws IOException {
                return records.hasNext() ? document(records.next()) : null;
            }

            @Override
            public void close() {}
        };
    }

    private Document document(Row record) throws IOException {
        long number = next++;
        String place = "partition " + partition + ", record " + number;
        int idColumn = columns.id();
        if (idColumn >= 0 && !(record.get(idColumn) instanceof Number)) {
            throw new IOException(place + " has no number in its column of ids, but " + record.get(idColumn));
        }
        long id = idColumn < 0 ? SparkHarvest.first(partition) + number : ((Number) record.get(idColumn)).longValue();
        if (record.isNullAt(columns.document())) {
            return Document.tokens(id, place);
        }
        if (columns.texts()) {
            return Document.text(id, place, record.getString(columns.document()));
        }
        List<?> list = record.getList(columns.document());
        long[] tokens = new long[list.size()];
        for (int i = 0; i < tokens.length; i++) {
            if (!(list.get(i) instanceof Number token)) {
                throw new IOException(place + " has no token id at position " + i);
            }
            tokens[i] = token.longValue();
        }
        return Document.tokens(id, place, tokens);
    }
}
