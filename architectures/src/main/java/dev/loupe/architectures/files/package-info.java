/**
 * Where the files of a checkpoint are: in a directory, on the class path, or on the Hugging Face Hub. What is
 * made of them is the same everywhere.
 */
@NullMarked
package dev.loupe.architectures.files;

import org.jspecify.annotations.NullMarked;
