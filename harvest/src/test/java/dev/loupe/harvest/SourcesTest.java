package dev.loupe.harvest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.loupe.array.DType;
import dev.loupe.harvest.job.HarvestJob;
import dev.loupe.harvest.parquet.ParquetFiles;
import dev.loupe.harvest.source.Document;
import dev.loupe.harvest.source.DocumentSource;
import dev.loupe.harvest.source.DocumentSource.Documents;
import dev.loupe.harvest.source.Sources;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroup;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.LocalOutputFile;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Types;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What documents are read from files, and what is said of files that are broken. */
class SourcesTest {

    @TempDir
    private Path folder;

    private Path file(String name, String content) throws IOException {
        return Files.writeString(folder.resolve(name), content);
    }

    private static List<String> read(DocumentSource source) throws IOException {
        List<String> all = new ArrayList<>();
        try (Documents documents = source.open()) {
            for (Document next = documents.next(); next != null; next = documents.next()) {
                all.add(next.id() + " " + (next.text() == null ? Arrays.toString(next.tokens()) : next.text()));
            }
            assertThat(documents.fraction()).isEqualTo(1);
        }
        return all;
    }

    @Test
    void linesKeepTheirNumbersWhateverEndsThem() throws IOException {
        assertThat(read(Sources.lines(file("a.txt", "\uFEFFone\r\n\r\nthree\nlast"))))
                .containsExactly("0 one", "1 ", "2 three", "3 last");
        Path zipped = folder.resolve("a.txt.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(zipped))) {
            out.write("zipped\n".getBytes(StandardCharsets.UTF_8));
        }
        assertThat(read(Sources.lines(zipped))).containsExactly("0 zipped");
    }

    @Test
    void tokensStandWithSpacesOrCommas() throws IOException {
        assertThat(read(Sources.tokens(file("t.txt", "1 2  3\n\n4,5 , 6\n"))))
                .containsExactly("0 [1, 2, 3]", "1 []", "2 [4, 5, 6]");
        assertThatThrownBy(() -> read(Sources.tokens(file("u.txt", "1 2\n3 x"))))
                .hasMessageContaining("u.txt, line 2")
                .hasMessageContaining("'x'");
    }

    @Test
    void jsonLinesHaveTextsOrTokensInAField() throws IOException {
        assertThat(read(Sources.jsonLines(file("j.jsonl", "{\"t\": \"a\\nb\"}\n\n{\"t\": [1, 2]}\n"), "t")))
                .containsExactly("0 a\nb", "1 []", "2 [1, 2]");
        assertThatThrownBy(() -> read(Sources.jsonLines(file("k.jsonl", "{\"text\": \"a\"}\n"), "t")))
                .hasMessageContaining("k.jsonl, line 1 has no field 't'; it has [text]");
        assertThatThrownBy(() -> read(Sources.jsonLines(file("l.jsonl", "{\"t\": \"a\"}\n{\"t\": [1.5]}\n"), "t")))
                .hasMessageContaining("line 2");
        assertThatThrownBy(() -> read(Sources.jsonLines(file("m.jsonl", "[1]\n"), "t")))
                .hasMessageContaining("should be a JSON object");
    }

    @Test
    void csvHasTextsInAColumn() throws IOException {
        Path csv = file("c.csv", "id,text\n1,\"a, \"\"b\"\"\nc\"\n2,\n");
        assertThat(read(Sources.csv(csv, "text"))).containsExactly("0 a, \"b\"\nc", "1 ");
        assertThatThrownBy(() -> read(Sources.csv(csv, "txt")))
                .hasMessageContaining("no column 'txt'; it has [id, text]");
        assertThatThrownBy(() -> read(Sources.csv(file("d.csv", "id,text\n1,a\n2\n"), "text")))
                .hasMessageContaining("record 2");
        assertThatThrownBy(() -> read(Sources.csv(file("e.csv", "id,text\n1,\"a\" b\n"), "text")))
                .hasMessageContaining("e.csv");
    }

    @Test
    void whatIsNoFileOrNoTextIsSaid() throws IOException {
        assertThatThrownBy(() -> read(Sources.lines(folder.resolve("none.txt"))))
                .hasMessageContaining("There is no file");
        assertThatThrownBy(() -> read(Sources.lines(folder))).hasMessageContaining("isn't a regular file");
        Path latin = folder.resolve("latin.txt");
        Files.write(latin, new byte[] {'a', '\n', (byte) 0xE4, 'b', '\n'});
        assertThatThrownBy(() -> read(Sources.lines(latin))).hasMessageContaining("isn't UTF-8");
        assertThatThrownBy(() -> read(ParquetFiles.column(latin, "text"))).hasMessageContaining("is no Parquet file");
    }

    @Test
    void parquetHasTextsOrTokensInAColumn() throws IOException {
        MessageType schema = Types.buildMessage()
                .optional(PrimitiveTypeName.BINARY)
                .as(LogicalTypeAnnotation.stringType())
                .named("text")
                .addField(Types.requiredList()
                        .element(Types.required(PrimitiveTypeName.INT64).named("element"))
                        .named("ids"))
                .named("documents");
        Path file = folder.resolve("documents.parquet");
        try (ParquetWriter<Group> writer = ExampleParquetWriter.builder(new LocalOutputFile(file))
                .withType(schema)
                .withCompressionCodec(CompressionCodecName.SNAPPY)
                .build()) {
            for (String text : new String[] {"one", null, "three"}) {
                Group record = new SimpleGroup(schema);
                Group list = record.addGroup("ids");
                for (int i = 0; text != null && i < text.length(); i++) {
                    list.addGroup(0).add("element", (long) i);
                }
                if (text != null) {
                    record.add("text", text);
                }
                writer.write(record);
            }
        }
        assertThat(read(ParquetFiles.column(file, "text"))).containsExactly("0 one", "1 []", "2 three");
        assertThat(read(ParquetFiles.column(file, "ids"))).containsExactly("0 [0, 1, 2]", "1 []", "2 [0, 1, 2, 3, 4]");
    }

    @Test
    void parquetShardsAreReadBackAsColumns() throws IOException {
        HarvestJob job = HarvestTest.job("blocks.0.hook_resid_pre").withDType(DType.FLOAT16);
        List<Document> rows = List.of(Document.tokens(5, "a", 1, 2, 3), Document.tokens(6, "b", 4));
        Path out = folder.resolve("out");
        Harvest.of(job, Sources.of("rows", rows))
                .into(out)
                .sink(ParquetFiles.shards())
                .run();
        Path shard = out.resolve("shard-00000.parquet");
        assertThat(shard).isRegularFile();
        // The only reader at hand is the one for documents; numbers aren't documents, and it says so.
        assertThatThrownBy(() -> read(ParquetFiles.column(shard, "document")))
                .hasMessageContaining("the column 'document' is int64");
        assertThatThrownBy(() -> read(ParquetFiles.column(shard, "text")))
                .hasMessageContaining("[document, row, position, token, blocks.0.hook_resid_pre]");
        assertThatThrownBy(() -> read(ParquetFiles.column(shard, "blocks.0.hook_resid_pre")))
                .hasMessageContaining("should be of token ids, found float");
        assertThatThrownBy(() -> HarvestedActivations.open(out)).hasMessageContaining("parquet");
    }

    @Test
    void aJobGoesThroughJson() {
        HarvestJob job = HarvestTest.job("blocks.*.hook_resid_post", "pattern0")
                .withAttention(dev.loupe.harvest.job.AttentionStatistic.ENTROPY)
                .withInterventions(List.of(dev.loupe.hook.Intervention.parse("z0[head=1] = 0")))
                .withPositions(dev.loupe.harvest.job.Positions.parse("1:-1"))
                .withDType(DType.BFLOAT16)
                .withReducers(List.of("top:3"));
        HarvestJob again = HarvestJob.fromJson(job.toJson());
        assertThat(again).isEqualTo(job);
        assertThat(again.digest())
                .isEqualTo(job.digest())
                .isNotEqualTo(job.withDType(DType.FLOAT16).digest());
        assertThatThrownBy(() -> HarvestJob.fromJson(job.toJson().replace("\"attention\"", "\"atention\"")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("atention");
        assertThatThrownBy(() -> HarvestJob.fromJson("nothing")).hasMessageContaining("This is no job of a harvest");
    }
}
