/** The file formats in which dictionaries are published, and what they say of a dictionary. */
@NullMarked
package dev.loupe.dictionaries.formats;

import org.jspecify.annotations.NullMarked;
