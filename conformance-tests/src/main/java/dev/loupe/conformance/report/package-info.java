/** What came out, by rule, and the specification that the rules are read from. */
@NullMarked
package dev.loupe.conformance.report;

import org.jspecify.annotations.NullMarked;
