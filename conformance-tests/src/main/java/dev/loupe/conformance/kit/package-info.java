/** How a kit runs: rules as tests, the backend or architecture on trial, and what is held against the known deviations. */
@NullMarked
package dev.loupe.conformance.kit;

import org.jspecify.annotations.NullMarked;
