/** How a run is carried out. Internal: not exported, and free to change. */
@NullMarked
package dev.loupe.run;

import org.jspecify.annotations.NullMarked;
