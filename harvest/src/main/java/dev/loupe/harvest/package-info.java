/** Activations over a data set: a job is run into a folder of shards that can be resumed and read back. */
@NullMarked
package dev.loupe.harvest;

import org.jspecify.annotations.NullMarked;
