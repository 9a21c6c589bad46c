package dev.loupe.architectures.processing;

import java.util.Optional;

/** A projection that reads the residual stream through a norm: {@code [d_model, out]} and perhaps {@code [out]}. */
record Reader(WeightMatrix matrix, Optional<WeightMatrix> bias) {}
