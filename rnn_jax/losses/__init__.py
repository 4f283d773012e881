"""Losses and regularisers: arrays in, numbers out."""
