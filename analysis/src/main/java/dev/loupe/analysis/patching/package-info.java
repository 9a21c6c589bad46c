/**
 * Cause and effect: replaces activations of one run by those of another, or by nothing, and measures what changes. Many
 * such runs are carried out at once, each from the place where it begins to differ.
 */
@NullMarked
package dev.loupe.analysis.patching;

import org.jspecify.annotations.NullMarked;
