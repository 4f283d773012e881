"""Decoding: from a step function to sequences of tokens."""
