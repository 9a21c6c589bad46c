/**
 * From a model's name to its weights: finds the files, picks the architecture, reads each tensor when its turn
 * comes and lays it out as the graph wants it.
 */
@NullMarked
package dev.loupe.architectures.checkpoint;

import org.jspecify.annotations.NullMarked;
