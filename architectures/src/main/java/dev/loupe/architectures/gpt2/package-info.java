/** GPT-2 and its relatives: layer norm, learned positions, one MLP without a gate, biases everywhere. */
@NullMarked
package dev.loupe.architectures.gpt2;

import org.jspecify.annotations.NullMarked;
