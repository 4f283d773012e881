"""Seeing inside: how gradients and perturbations travel through time."""
