/** What the features of a dictionary stand for and how good the dictionary is, measured on text as it streams by. */
@NullMarked
package dev.loupe.dictionaries.reading;

import org.jspecify.annotations.NullMarked;
