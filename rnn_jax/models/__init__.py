"""Models for whole tasks, as Flax NNX modules: batch first, each with a loss."""
