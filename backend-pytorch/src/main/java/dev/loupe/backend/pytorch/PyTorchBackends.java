package dev.loupe.backend.pytorch;

import dev.loupe.backend.Backend;
import dev.loupe.backend.BackendOptions;
import java.util.List;

/** Opens backends. Apart from the provider, so that the provider can be asked while DJL's classes are missing. */
final class PyTorchBackends {

    private PyTorchBackends() {}

    static Backend open(BackendOptions options) {
        TorchEngine engine = TorchEngine.load();
        if (options.threads() > 0) {
            Torch.setThreads(options.threads());
        } else {
            Torch.setThreadsUnlessTold(BackendOptions.physicalCores());
        }
        List<TorchDevice> devices = Devices.choose(engine, options);
        List<PyTorchBackend> stages = devices.stream().map(PyTorchBackend::new).toList();
        return stages.size() == 1 ? stages.get(0) : new PipelinedBackend(stages);
    }
}
