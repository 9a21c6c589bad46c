/** Things to try on a model: prompts with known answers, generated data sets, loss on text. */
@NullMarked
package dev.loupe.analysis.tasks;

import org.jspecify.annotations.NullMarked;
