/** Numbers on the Java heap and what describes them: data types, shapes, indices; the lowest layer. */
@NullMarked
package dev.loupe.array;

import org.jspecify.annotations.NullMarked;
