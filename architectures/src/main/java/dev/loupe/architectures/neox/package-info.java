/** GPT-NeoX, the family of Pythia: layer norm, rotary positions in a part of each head, attention and MLP side by side. */
@NullMarked
package dev.loupe.architectures.neox;

import org.jspecify.annotations.NullMarked;
