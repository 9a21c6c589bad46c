/**
 * An architecture as somebody else would add it: GPT-NeoX, the family of Pythia. Nothing in Loupe knows of it;
 * being on the class path is enough for its checkpoints to load.
 */
@NullMarked
package dev.loupe.examples.neox;

import org.jspecify.annotations.NullMarked;
