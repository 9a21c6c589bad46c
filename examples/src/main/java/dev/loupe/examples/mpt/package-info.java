/**
 * MPT, written as an outsider would: against the public parts of {@code dev.loupe.architectures.decoder}, with one part of
 * its own, the bias by which its attention tells positions apart (ALiBi).
 */
@NullMarked
package dev.loupe.examples.mpt;

import org.jspecify.annotations.NullMarked;
