/** What is to be harvested, as data: model, points, packing, positions, types. */
@NullMarked
package dev.loupe.harvest.job;

import org.jspecify.annotations.NullMarked;
