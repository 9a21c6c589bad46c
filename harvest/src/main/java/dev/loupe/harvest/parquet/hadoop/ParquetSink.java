package dev.loupe.harvest.parquet.hadoop;

import dev.loupe.array.DType;
import dev.loupe.array.HostTensor;
import dev.loupe.harvest.shard.Layout;
import dev.loupe.harvest.shard.Shard;
import dev.loupe.harvest.sink.ShardSink;
import dev.loupe.io.OutputFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.conf.ParquetConfiguration;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.PositionOutputStream;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Types;

/** Shards as Parquet files. Uncompressed: activations are as good as random to a compressor. */
final class ParquetSink implements ShardSink {

    @Override
    public String format() {
        return "parquet";
    }

    @Override
    public String suffix() {
        return ".parquet";
    }

    @Override
    public void write(Shard shard, Path file) {
        OutputFile.write(file, channel -> {
            try (ParquetWriter<Integer> writer = new Builder(new Output(channel), shard).build()) {
                for (int token = 0; token < shard.tokens(); token++) {
                    writer.write(token);
                }
            }
        });
    }

    private static MessageType schema(Layout layout) {
        Types.MessageTypeBuilder schema = Types.buildMessage();
        schema.required(PrimitiveTypeName.INT64).named("document");
        schema.required(PrimitiveTypeName.INT64).named("row");
        schema.required(PrimitiveTypeName.INT32).named("position");
        schema.required(PrimitiveTypeName.INT32).named("token");
        for (Layout.Point point : layout.points()) {
            schema.addField(Types.requiredList()
                    .element(Types.required(type(point)).named("element"))
                    .named(point.name()));
        }
        return schema.named("activations");
    }

    private static PrimitiveTypeName type(Layout.Point point) {
        return point.dtype() == DType.FLOAT64 ? PrimitiveTypeName.DOUBLE : PrimitiveTypeName.FLOAT;
    }

    private static final class Builder extends ParquetWriter.Builder<Integer, Builder> {
        private final Shard shard;

        Builder(org.apache.parquet.io.OutputFile file, Shard shard) {
            super(file);
            this.shard = shard;
            withConf(new PlainParquetConfiguration());
            withCompressionCodec(CompressionCodecName.UNCOMPRESSED);
            withDictionaryEncoding(false);
        }

        @Override
        protected Builder self() {
            return this;
        }

        @Override
        @SuppressWarnings("deprecation") // abstract all the same
        protected WriteSupport<Integer> getWriteSupport(Configuration conf) {
            return new TokenSupport(shard);
        }

        @Override
        protected WriteSupport<Integer> getWriteSupport(ParquetConfiguration conf) {
            return new TokenSupport(shard);
        }
    }

    /** Writes a shard's token by its number. */
    private static final class TokenSupport extends WriteSupport<Integer> {
        private final Shard shard;
        private final List<Layout.Point> points;
        private final List<HostTensor> values;

        @SuppressWarnings("NullAway.Init") // the writer gives it before the first record
        private RecordConsumer to;

        TokenSupport(Shard shard) {
            this.shard = shard;
            this.points = shard.layout().points();
            this.values =
                    points.stream().map(point -> shard.values(point.name())).toList();
        }

        @Override
        @SuppressWarnings("deprecation") // abstract all the same
        public WriteContext init(Configuration configuration) {
            return context();
        }

        @Override
        public WriteContext init(ParquetConfiguration configuration) {
            return context();
        }

        private WriteContext context() {
            Map<String, String> metadata = new LinkedHashMap<>();
            for (Layout.Point point : points) {
                metadata.put("loupe.shape." + point.name(), point.shape().toString());
                metadata.put("loupe.dtype." + point.name(), point.dtype().label());
            }
            return new WriteContext(schema(shard.layout()), metadata);
        }

        @Override
        public void prepareForWrite(RecordConsumer recordConsumer) {
            to = recordConsumer;
        }

        @Override
        public void write(Integer token) {
            to.startMessage();
            field("document", 0, () -> to.addLong(shard.document(token)));
            field("row", 1, () -> to.addLong(shard.row(token)));
            field("position", 2, () -> to.addInteger(shard.position(token)));
            field("token", 3, () -> to.addInteger(Math.toIntExact(shard.id(token))));
            for (int i = 0; i < points.size(); i++) {
                Layout.Point point = points.get(i);
                HostTensor numbers = values.get(i);
                long first = (long) token * point.width();
                boolean wide = type(point) == PrimitiveTypeName.DOUBLE;
                field(point.name(), 4 + i, () -> {
                    to.startGroup();
                    to.startField("list", 0);
                    for (long at = first; at < first + point.width(); at++) {
                        to.startGroup();
                        to.startField("element", 0);
                        if (wide) {
                            to.addDouble(numbers.getDouble(at));
                        } else {
                            to.addFloat((float) numbers.getDouble(at));
                        }
                        to.endField("element", 0);
                        to.endGroup();
                    }
                    to.endField("list", 0);
                    to.endGroup();
                });
            }
            to.endMessage();
        }

        private void field(String name, int index, Runnable value) {
            to.startField(name, index);
            value.run();
            to.endField(name, index);
        }
    }

    /** A channel as Parquet's library wants it. */
    private record Output(WritableByteChannel channel) implements org.apache.parquet.io.OutputFile {
        @Override
        public PositionOutputStream create(long blockSizeHint) {
            return new Stream(channel);
        }

        @Override
        public PositionOutputStream createOrOverwrite(long blockSizeHint) {
            return new Stream(channel);
        }

        @Override
        public boolean supportsBlockSize() {
            return false;
        }

        @Override
        public long defaultBlockSize() {
            return 0;
        }
    }

    private static final class Stream extends PositionOutputStream {
        private final WritableByteChannel channel;
        private long position;

        Stream(WritableByteChannel channel) {
            this.channel = channel;
        }

        @Override
        public long getPos() {
            return position;
        }

        @Override
        public void write(int one) throws IOException {
            write(new byte[] {(byte) one}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws IOException {
            OutputFile.writeFully(channel, ByteBuffer.wrap(bytes, from, count));
            position += count;
        }
    }
}
