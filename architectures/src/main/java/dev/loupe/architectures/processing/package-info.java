/**
 * Changes that make weights easier to interpret and leave the model's outputs alone: folding, centring,
 * factoring. They happen on the way from the checkpoint to the backend, a few weights at a time.
 */
@NullMarked
package dev.loupe.architectures.processing;

import org.jspecify.annotations.NullMarked;
