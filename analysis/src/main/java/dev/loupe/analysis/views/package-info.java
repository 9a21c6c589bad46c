/**
 * Pictures of numbers: heat maps, panels of them, and coloured tokens, as self-contained web pages and, for papers, as
 * SVG and PNG. A view holds numbers and labels alone; where they come from is nothing to it.
 */
@NullMarked
package dev.loupe.analysis.views;

import org.jspecify.annotations.NullMarked;
