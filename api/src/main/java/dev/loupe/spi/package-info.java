/** What those implement who bring a compute backend or a model architecture. */
@NullMarked
package dev.loupe.spi;

import org.jspecify.annotations.NullMarked;
