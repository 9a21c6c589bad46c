/** What all kinds of plugins share: the version of the interface, and how they are found. */
@NullMarked
package dev.loupe.plugin;

import org.jspecify.annotations.NullMarked;
