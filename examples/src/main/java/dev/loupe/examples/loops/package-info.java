/**
 * A backend as somebody else would write it, against {@code api} alone: every operation in plain loops over Java
 * arrays. {@code docs/writing-a-backend.md} walks through it. {@link dev.loupe.examples.loops.LoopsBackend} interprets;
 * {@link dev.loupe.examples.loops.CompiledLoopsBackend} is the skeleton of one that compiles.
 */
@NullMarked
package dev.loupe.examples.loops;

import org.jspecify.annotations.NullMarked;
