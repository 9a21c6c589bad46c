/** Language models with every activation within reach: the package that most users start from. */
@NullMarked
package dev.loupe.model;

import org.jspecify.annotations.NullMarked;
