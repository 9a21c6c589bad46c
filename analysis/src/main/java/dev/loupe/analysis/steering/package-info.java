/** Directions that push a model's behaviour one way, found in its own activations and added to them. */
@NullMarked
package dev.loupe.analysis.steering;

import org.jspecify.annotations.NullMarked;
