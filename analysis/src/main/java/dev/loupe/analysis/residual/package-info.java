/**
 * What the residual stream is made of and what it says: its parts by component, what each part adds to a logit, and what
 * the model would answer if it stopped at a layer.
 */
@NullMarked
package dev.loupe.analysis.residual;

import org.jspecify.annotations.NullMarked;
