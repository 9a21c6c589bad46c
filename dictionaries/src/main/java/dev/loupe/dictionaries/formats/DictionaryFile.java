package dev.loupe.dictionaries.formats;

import dev.loupe.array.HostTensor;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * What the files of one dictionary hold, in whatever format.
 *
 * @param weights arrays as float32, by their names here
 */
@API(status = API.Status.INTERNAL, since = "0.1")
public record DictionaryFile(DictionaryConfig config, Map<String, HostTensor> weights) {}
