/** Immutable tensors: values with a shape and a data type that live on some backend. */
@NullMarked
package dev.loupe.tensor;

import org.jspecify.annotations.NullMarked;
