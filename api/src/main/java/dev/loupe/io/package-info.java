/** How files come to be: whole or not at all, and nothing is lost that was there. */
@NullMarked
package dev.loupe.io;

import org.jspecify.annotations.NullMarked;
