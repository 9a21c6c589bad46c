/** A harvest over a Spark {@code Dataset}: one model in each executor, partitions as the units of recovery. */
@NullMarked
package dev.loupe.harvest.spark;

import org.jspecify.annotations.NullMarked;
