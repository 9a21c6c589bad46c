package dev.loupe.architectures.checkpoint;

import dev.loupe.architectures.files.BundledFiles;
import dev.loupe.array.safetensors.SafetensorsFile;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.StringTokenizer;
import java.util.TreeMap;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;

/** Reads the bundled models as users have them: in a jar. */
public final class JarredModels {

    private JarredModels() {}

    /** The tensors of all bundled models, by name, as hash codes of their bytes. Called by reflection, too. */
    public static String digest() {
        TreeMap<String, Integer> digest = new TreeMap<>();
        for (String model : BundledFiles.names()) {
            BundledFiles files = new BundledFiles(model);
            digest.put(model, new String(files.read("config.json"), StandardCharsets.UTF_8).hashCode());
            try (SafetensorsFile tensors = files.openTensors("model.safetensors")) {
                for (String name : tensors.names()) {
                    digest.put(model + "/" + name, tensors.read(name).data().hashCode());
                }
            }
        }
        return digest.toString();
    }

    static String digestOutOfJar(Path jar) throws Exception {
        List<URL> classPath = new ArrayList<>();
        StringTokenizer entries = new StringTokenizer(System.getProperty("java.class.path"), File.pathSeparator);
        while (entries.hasMoreTokens()) {
            Path path = Path.of(entries.nextToken());
            if (Files.exists(path.resolve("dev/loupe/architectures/bundled"))) {
                pack(path, jar);
                path = jar;
            }
            classPath.add(path.toUri().toURL());
        }
        try (URLClassLoader loader =
                new URLClassLoader(classPath.toArray(URL[]::new), ClassLoader.getPlatformClassLoader())) {
            if (!String.valueOf(loader.getResource("dev/loupe/architectures/bundled/toy-gpt2/config.json"))
                    .startsWith("jar:")) {
                throw new IllegalStateException("The models are not in a jar: " + classPath);
            }
            return (String) loader.loadClass(JarredModels.class.getName())
                    .getMethod("digest")
                    .invoke(null);
        }
    }

    private static void pack(Path directory, Path jar) throws IOException {
        try (OutputStream file = Files.newOutputStream(jar);
                JarOutputStream out = new JarOutputStream(file);
                Stream<Path> files = Files.walk(directory)) {
            for (Path path : files.filter(Files::isRegularFile).toList()) {
                out.putNextEntry(
                        new JarEntry(directory.relativize(path).toString().replace(File.separatorChar, '/')));
                Files.copy(path, out);
            }
        }
    }
}
