"""Recurrent networks for JAX: write a cell's mathematics once, run it any way."""

__version__ = "0.1.0"
