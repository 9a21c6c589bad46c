/** The kit with which authors of backends and architectures test their work. */
@NullMarked
package dev.loupe.conformance;

import org.jspecify.annotations.NullMarked;
