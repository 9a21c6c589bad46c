/** The file formats in which dictionaries are published. */
@NullMarked
package dev.loupe.dictionaries.formats;

import org.jspecify.annotations.NullMarked;
