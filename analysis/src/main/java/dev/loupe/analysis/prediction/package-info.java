/** What comes next, and how the model comes to it: the likeliest tokens, and a reading of one run from end to end. */
@NullMarked
package dev.loupe.analysis.prediction;

import org.jspecify.annotations.NullMarked;
