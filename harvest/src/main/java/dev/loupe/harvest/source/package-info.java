/** Where documents come from: lines, JSON lines, CSV, token rows, anything iterable. */
@NullMarked
package dev.loupe.harvest.source;

import org.jspecify.annotations.NullMarked;
