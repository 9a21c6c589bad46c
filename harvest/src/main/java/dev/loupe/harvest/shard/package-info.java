/** From documents to rows of tokens, from rows to batches, from batches to shards of numbers. */
@NullMarked
package dev.loupe.harvest.shard;

import org.jspecify.annotations.NullMarked;
