package dev.loupe.conformance;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/** Runs a kit inside a test and keeps how each of its tests ended. */
final class KitRun implements TestExecutionListener {

    final List<String> passed = new ArrayList<>();
    final List<String> aborted = new ArrayList<>();
    final List<String> failures = new ArrayList<>();

    private KitRun() {}

    static KitRun of(Class<?> kit, String only, Path report) {
        KitRun run = new KitRun();
        LauncherFactory.create()
                .execute(
                        LauncherDiscoveryRequestBuilder.request()
                                .selectors(selectClass(kit))
                                .configurationParameter(KitSettings.ONLY, only)
                                .configurationParameter(KitSettings.REPORT, report.toString())
                                .build(),
                        run);
        return run;
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        String message = result.getThrowable().map(Throwable::getMessage).orElse("");
        switch (result.getStatus()) {
            case SUCCESSFUL -> {
                if (test.isTest()) {
                    passed.add(test.getDisplayName());
                }
            }
            case ABORTED -> aborted.add(message);
            case FAILED -> failures.add(test.getDisplayName() + "\n" + message);
        }
    }
}
