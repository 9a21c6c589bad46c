package dev.loupe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * What others may rely on, written down in {@code docs/api-report.txt}: a change of it shows in review as a change of
 * that file. {@code mvn -pl cli -am test -Dtest=ApiReportTest -Dsurefire.failIfNoSpecifiedTests=false
 * -Dloupe.updateApiReport=true} writes it anew.
 */
class ApiReportTest {

    private static final Path REPORT =
            Path.of("").toAbsolutePath().resolve("../docs/api-report.txt").normalize();

    private static final List<JavaClass> TYPES = new ClassFileImporter()
            .withImportOption(location -> !location.contains("/test-classes/")).importPackages("dev.loupe").stream()
                    .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
                    .filter(type -> !type.getPackageName().matches("dev\\.loupe\\.(cli|fixtures)(\\..*)?"))
                    .sorted(Comparator.comparing(JavaClass::getName))
                    .toList();

    @Test
    void everyPublicTypeSaysHowFarItCanBeReliedOn() {
        assertThat(TYPES.stream()
                        .filter(type -> type.getEnclosingClass().isEmpty())
                        .filter(type -> !type.isAnnotatedWith(API.class))
                        .map(JavaClass::getName))
                .as("public types without @API")
                .isEmpty();
    }

    @Test
    void whatOthersRelyOnIsWhatTheReportSays() throws IOException {
        List<String> now = new ArrayList<>();
        for (JavaClass type : TYPES) {
            Class<?> loaded = type.reflect();
            API.@Nullable Status status = status(loaded);
            if (status != null && status != API.Status.INTERNAL && isVisible(loaded)) {
                now.addAll(describe(loaded, status));
            }
        }
        String text = String.join("\n", now) + "\n";
        if (Boolean.getBoolean("loupe.updateApiReport")) {
            Files.writeString(REPORT, text);
        }
        assertThat(text)
                .as("the public API; if it is meant to change, write %s anew as this test's description says", REPORT)
                .isEqualTo(Files.readString(REPORT));
    }

    private static API.@Nullable Status status(Class<?> type) {
        for (Class<?> at = type; at != null; at = at.getEnclosingClass()) {
            API api = at.getAnnotation(API.class);
            if (api != null) {
                return api.status();
            }
        }
        return null;
    }

    private static boolean isVisible(Class<?> type) {
        for (Class<?> at = type; at != null; at = at.getEnclosingClass()) {
            if (!Modifier.isPublic(at.getModifiers()) && !Modifier.isProtected(at.getModifiers())) {
                return false;
            }
        }
        return true;
    }

    private static List<String> describe(Class<?> type, API.Status status) {
        List<String> lines = new ArrayList<>();
        lines.add("");
        lines.add(status + " " + type.toGenericString() + parents(type));
        TreeSet<String> members = new TreeSet<>();
        for (Field field : type.getDeclaredFields()) {
            if (isShown(field.getModifiers()) && !field.isSynthetic()) {
                members.add(field.toGenericString());
            }
        }
        for (Constructor<?> constructor : type.getDeclaredConstructors()) {
            if (isShown(constructor.getModifiers()) && !constructor.isSynthetic()) {
                members.add(signature(constructor));
            }
        }
        for (Method method : type.getDeclaredMethods()) {
            if (isShown(method.getModifiers()) && !method.isSynthetic()) {
                members.add(signature(method));
            }
        }
        members.forEach(member -> lines.add("    " + member.replace(type.getName() + ".", "")));
        return lines;
    }

    private static String signature(Executable executable) {
        return executable.toGenericString().replace("java.lang.", "").replace("java.util.", "");
    }

    private static String parents(Class<?> type) {
        List<String> parents = new ArrayList<>();
        if (type.getGenericSuperclass() != null && !type.isEnum() && !type.isRecord()) {
            parents.add(type.getGenericSuperclass().getTypeName());
        }
        Arrays.stream(type.getGenericInterfaces()).forEach(parent -> parents.add(parent.getTypeName()));
        parents.remove("java.lang.Object");
        String components = type.isRecord()
                ? Arrays.stream(Objects.requireNonNull(type.getRecordComponents()))
                        .map(RecordComponent::getName)
                        .toList()
                        .toString()
                : "";
        return components + (parents.isEmpty() ? "" : " : " + String.join(", ", parents));
    }

    private static boolean isShown(int modifiers) {
        return Modifier.isPublic(modifiers) || Modifier.isProtected(modifiers);
    }
}
