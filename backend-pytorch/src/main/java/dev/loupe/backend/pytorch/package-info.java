/**
 * A backend on libtorch, through DJL's PyTorch engine: on a CPU, and on NVIDIA GPUs where a CUDA build of the
 * natives is on the class path.
 */
@NullMarked
package dev.loupe.backend.pytorch;

import org.jspecify.annotations.NullMarked;
