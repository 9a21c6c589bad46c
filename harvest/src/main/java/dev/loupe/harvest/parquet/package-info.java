/** Parquet files, as shards and as data sets. It needs {@code parquet-hadoop} and Hadoop's client, which are optional. */
@NullMarked
package dev.loupe.harvest.parquet;

import org.jspecify.annotations.NullMarked;
