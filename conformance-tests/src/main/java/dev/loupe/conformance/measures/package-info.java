/** What is right, and how far from it a result may lie: references, tolerances, comparisons, memory. */
@NullMarked
package dev.loupe.conformance.measures;

import org.jspecify.annotations.NullMarked;
