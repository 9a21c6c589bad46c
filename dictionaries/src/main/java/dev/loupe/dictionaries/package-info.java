/** Dictionaries of features, sparse autoencoders and transcoders: loading, splicing into a model, and what their features say. */
@NullMarked
package dev.loupe.dictionaries;

import org.jspecify.annotations.NullMarked;
