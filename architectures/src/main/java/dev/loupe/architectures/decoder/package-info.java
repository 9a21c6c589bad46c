/**
 * The decoder-only transformer, described once. An architecture reads its checkpoint's config into a {@link
 * dev.loupe.architecture.TransformerConfig} and gets the whole graph, every hook point included, from {@link
 * dev.loupe.architectures.decoder.DecoderGraph}; what Hugging Face configs have in common (rotary settings,
 * activation functions, special tokens) is read here too. Meant for other people's architectures as much as
 * for our own.
 */
@NullMarked
package dev.loupe.architectures.decoder;

import org.jspecify.annotations.NullMarked;
