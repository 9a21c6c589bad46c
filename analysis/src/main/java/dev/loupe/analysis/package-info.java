/** From activations to explanations. */
@NullMarked
package dev.loupe.analysis;

import org.jspecify.annotations.NullMarked;
