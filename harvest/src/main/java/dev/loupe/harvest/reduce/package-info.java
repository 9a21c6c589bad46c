/** What is made of the numbers while they pass: statistics, histograms, top examples, or one's own. */
@NullMarked
package dev.loupe.harvest.reduce;

import org.jspecify.annotations.NullMarked;
