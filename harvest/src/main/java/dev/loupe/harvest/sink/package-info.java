/** Where shards are written to. */
@NullMarked
package dev.loupe.harvest.sink;

import org.jspecify.annotations.NullMarked;
