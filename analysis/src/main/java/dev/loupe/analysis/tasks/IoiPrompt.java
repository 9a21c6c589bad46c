package dev.loupe.analysis.tasks;

import org.apiguardian.api.API;

/**
 * A sentence that ends before the indirect object's name, and its counterpart with the two names' roles exchanged.
 *
 * @param clean {@code When Mary and John went to the store, John gave a drink to}
 * @param corrupt {@code When Mary and John went to the store, Mary gave a drink to}
 * @param answer what follows the clean sentence: {@code " Mary"}
 * @param wrong what follows the corrupt one: {@code " John"}
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record IoiPrompt(String clean, String corrupt, String answer, String wrong) {}
