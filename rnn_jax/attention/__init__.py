"""Attention over a memory: scores, mechanisms with parameters, penalties."""
