/**
 * Products of two matrices kept as their factors, as the circuits of attention heads are: cheap to multiply,
 * exact to decompose, and never written out in full unless asked for.
 */
@NullMarked
package dev.loupe.analysis.factored;

import org.jspecify.annotations.NullMarked;
