/** Model families and everything that turns a checkpoint into a model. */
@NullMarked
package dev.loupe.architectures;

import org.jspecify.annotations.NullMarked;
