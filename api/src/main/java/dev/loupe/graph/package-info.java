/** A model's forward pass as data: operations, their type rules, and the graph they form. */
@NullMarked
package dev.loupe.graph;

import org.jspecify.annotations.NullMarked;
