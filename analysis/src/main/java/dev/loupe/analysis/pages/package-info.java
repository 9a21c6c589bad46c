/** Whole pages, each the answer to one question, put together from the views of several analyses. */
@NullMarked
package dev.loupe.analysis.pages;

import org.jspecify.annotations.NullMarked;
