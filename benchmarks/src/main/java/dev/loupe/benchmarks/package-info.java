/** How fast Loupe is, measured with JMH. */
@NullMarked
package dev.loupe.benchmarks;

import org.jspecify.annotations.NullMarked;
