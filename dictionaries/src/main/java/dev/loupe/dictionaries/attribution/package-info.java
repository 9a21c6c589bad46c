/**
 * Attribution graphs: how the features of a prompt, with transcoders in the place of the MLPs, lead to one another and to
 * the next token. Definitions: Ameisen et al. 2025, "Circuit Tracing", and the reference implementation circuit-tracer.
 */
@NullMarked
package dev.loupe.dictionaries.attribution;

import org.jspecify.annotations.NullMarked;
