/** What is tried: inputs, operations with their operands, blocks and checkpoints with random numbers. */
@NullMarked
package dev.loupe.conformance.cases;

import org.jspecify.annotations.NullMarked;
