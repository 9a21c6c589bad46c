/** What attention heads attend to: scores by which known kinds of heads are found, and pictures of patterns. */
@NullMarked
package dev.loupe.analysis.heads;

import org.jspecify.annotations.NullMarked;
