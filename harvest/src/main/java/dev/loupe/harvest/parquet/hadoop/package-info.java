/** Parquet files by way of Hadoop's client and Parquet's library for it. What is compiled without them leaves this out. */
@NullMarked
package dev.loupe.harvest.parquet.hadoop;

import org.jspecify.annotations.NullMarked;
