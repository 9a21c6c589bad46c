/**
 * Steps from graph to graph. A run is a chain of them: {@link dev.loupe.graph.pass.Feed}, {@link
 * dev.loupe.graph.pass.Splice}, {@link dev.loupe.graph.pass.TakeShortcuts}, {@link dev.loupe.graph.pass.Keep}.
 */
@NullMarked
package dev.loupe.graph.pass;

import org.jspecify.annotations.NullMarked;
