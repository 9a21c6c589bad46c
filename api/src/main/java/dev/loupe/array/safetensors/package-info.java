/** Reading and writing of .safetensors files. */
@NullMarked
package dev.loupe.array.safetensors;

import org.jspecify.annotations.NullMarked;
