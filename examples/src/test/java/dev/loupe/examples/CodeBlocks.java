package dev.loupe.examples;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/** The blocks of code in the pages of documentation, and a compiler for those in Java. */
final class CodeBlocks {

    /** What a page has between three backticks and three backticks. */
    record Block(Path page, int line, String language, String code) {
        @Override
        public String toString() {
            return page.getFileName() + ":" + line;
        }
    }

    /** A source file that stands for a block. */
    private static final class Source extends SimpleJavaFileObject {
        private final Block block;
        private final String text;

        Source(Block block, String name, String text) {
            super(URI.create("string:///" + name.replace('.', '/') + Kind.SOURCE.extension), Kind.SOURCE);
            this.block = block;
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    private static final Pattern FENCE =
            Pattern.compile("^```(\\w*)[^\\n]*\\n(.*?)^```[ \\t]*$", Pattern.MULTILINE | Pattern.DOTALL);
    private static final Pattern TYPE = Pattern.compile(
            "^(?:(?:public|final|abstract|sealed) )*(?:class|interface|record|enum) (\\w+)", Pattern.MULTILINE);
    private static final Pattern MEMBER =
            Pattern.compile("^(?:public|private|static) [^=;]*\\(.*\\{$", Pattern.MULTILINE);
    private static final Pattern IMPORT = Pattern.compile("^import .*;\\n", Pattern.MULTILINE);

    /** What pages may speak of without saying where it comes from. */
    private static final String CONTEXT = """
            HookedTransformer model;
            Tokens tokens;
            Tokens clean;
            Tokens corrupt;
            Metric metric;
            EdgeAttribution edges;
            Path corpus;
            Path folder;
            Tensor direction;
            ActivationCache cache;
            List<TensorType> inputTypes;
            Op op;
            """;

    private static final Path ROOT = Path.of("..");
    private static final Path SHELL = ROOT.resolve("cli/src/main/resources/dev/loupe/cli/imports.jsh");

    /** A public type that isn't inside another one. */
    private static final Pattern TYPE_OF_REPORT = Pattern.compile(
            "^[A-Z]+ public (?:\\w+ )*?(?:class|interface|enum|record) (dev[a-z0-9.]+)\\.(\\w+)(?=[\\[ ]|$)",
            Pattern.MULTILINE);

    /** What the pages about plugins speak of beyond that. */
    private static final String PLUGINS = """
            import static dev.loupe.array.DType.*;
            import com.google.auto.service.AutoService;
            import dev.loupe.architectures.decoder.*;
            import dev.loupe.conformance.*;
            import dev.loupe.examples.loops.*;
            import dev.loupe.examples.mpt.*;
            import dev.loupe.graph.pass.*;
            """;

    private CodeBlocks() {}

    static List<Block> of(Path page) {
        String text = read(page);
        List<Block> blocks = new ArrayList<>();
        Matcher fence = FENCE.matcher(text);
        while (fence.find()) {
            int line = (int) text.substring(0, fence.start()).lines().count() + 1;
            blocks.add(new Block(page, line, fence.group(1), fence.group(2)));
        }
        return blocks;
    }

    /** What {@code loupe jshell} has imported, and what every jshell has. */
    static String shellImports() {
        return read(SHELL) + """
                import java.io.*;
                import java.math.*;
                import java.net.*;
                import java.nio.file.*;
                import java.util.*;
                import java.util.concurrent.*;
                import java.util.function.*;
                import java.util.prefs.*;
                import java.util.regex.*;
                import java.util.stream.*;
                """;
    }

    private static String read(Path file) {
        try {
            return Files.readString(file).replace("\r\n", "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A block that names every public type of the packages that the shell imports. */
    static Block everyTypeOfTheShell() {
        Set<String> packages = IMPORT.matcher(shellImports())
                .results()
                .map(match -> match.group().replaceAll("import (?:static )?|\\.\\*;\\s", ""))
                .collect(Collectors.toSet());
        String code = TYPE_OF_REPORT
                .matcher(read(ROOT.resolve("docs/api-report.txt")))
                .results()
                .filter(type -> packages.contains(type.group(1)))
                .map(type -> type.group(2) + ".class.getName();\n")
                .collect(Collectors.joining());
        return new Block(SHELL, 1, "java", code);
    }

    /** The Java file that a block stands for: itself, the body of a class, or the body of a method. */
    private static Source source(Block block, int index, String imports) {
        String own = IMPORT.matcher(block.code())
                .results()
                .map(match -> match.group())
                .collect(Collectors.joining());
        String code = IMPORT.matcher(block.code()).replaceAll("");
        // The page on backends shows parts of one that lies in this package.
        boolean ofLoops = block.page().endsWith("writing-a-backend.md");
        String packageName =
                ofLoops ? "dev.loupe.examples.loops" : String.format(Locale.ROOT, "pages.block%02d", index);
        String head = "package " + packageName + ";\n" + own + imports;
        Matcher type = TYPE.matcher(code);
        if (type.find()) {
            return new Source(block, packageName + "." + type.group(1), head + code);
        }
        String body = MEMBER.matcher(code).find() ? code : "void run() throws Exception {\n" + code + "\n}";
        String name = "Block" + index;
        return new Source(block, packageName + "." + name, head + "class " + name + " {\n" + CONTEXT + body + "\n}\n");
    }

    /** What the compiler says against some blocks, by block; nothing if they compile. */
    static List<String> errors(List<Block> blocks, Path folder) {
        String shell = shellImports();
        List<Source> sources = new ArrayList<>();
        for (int i = 0; i < blocks.size(); i++) {
            Block block = blocks.get(i);
            // A plugin is written in a project of its own.
            boolean plugin = block.page().getFileName().toString().startsWith("writing-");
            sources.add(source(block, i, plugin ? shell + PLUGINS : shell));
        }
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        DiagnosticCollector<JavaFileObject> diagnostics = new DiagnosticCollector<>();
        List<String> options = List.of(
                "-proc:none", "-Xlint:none", "-d", folder.toString(), "-cp", System.getProperty("java.class.path"));
        compiler.getTask(null, null, diagnostics, options, null, sources).call();
        return diagnostics.getDiagnostics().stream()
                .filter(diagnostic -> diagnostic.getKind() == Diagnostic.Kind.ERROR)
                .map(diagnostic -> (diagnostic.getSource() instanceof Source source ? source.block + " " : "")
                        + diagnostic.getMessage(Locale.ROOT))
                .toList();
    }

    /** One program of several blocks, each of which is followed by a line that nobody prints. */
    static String program(List<Block> blocks, String mark) {
        StringBuilder code = new StringBuilder();
        for (Block block : blocks) {
            code.append(block.code())
                    .append("System.out.println(\"")
                    .append(mark)
                    .append("\");\n");
        }
        return shellImports() + """
                public class Program {
                  public static void main(String[] arguments) throws Exception {
                """ + code + "}\n}\n";
    }
}
