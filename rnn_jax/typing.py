"""Aliases, and the one table of dimension letters used in every docstring.

T  time steps              B  batch (``*B``: any leading batch axes, possibly none)
S  source time steps       D  input features
H  hidden units            O  output features
G  pre-activation columns  E  embedding features
V  vocabulary              L  layers
K  chunk or beam           N  attention heads
F  mel bins
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax

Array = jax.Array
Key = jax.Array
DType = Any
Shape = Sequence[int]
PyTree = Any
Params = Any
State = Any
Activation = Callable[[jax.Array], jax.Array]
Initializer = Callable[[jax.Array, Shape, DType], jax.Array]
