/** Which parts of a model a number is owed to, from derivatives: attribution patching of nodes and edges, integrated gradients. */
@NullMarked
package dev.loupe.analysis.attribution;

import org.jspecify.annotations.NullMarked;
