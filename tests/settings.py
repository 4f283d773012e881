"""Settings of the whole suite, doctests included; they must be made before JAX starts.

Strict dtype and rank promotion, float64 by default, 8 virtual devices. ``tests/conftest.py``
registers this module as a plugin, so that its fixtures reach the doctests of the library too.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import jaxlib

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUM_CPU_DEVICES"] = "8"
# XLA's pool has one thread per core, so 8 devices that meet in a collective wait for each other for
# ever where there are fewer cores (jax 0.10.2 to 0.12). NPROC sets the size of the pool.
os.environ["NPROC"] = "8"
# A collective that is stuck all the same ends the process after 20 s, not after a minute.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_cpu_collective_call_warn_stuck_timeout_seconds=5",
        "--xla_cpu_collective_call_terminate_timeout_seconds=20",
    ]
)
# XLA's newer generator of fused loops takes half of the time of compiling; the older one, left out
# of later versions, takes a quarter of that. (The flag is fatal where it is unknown.)
if tuple(map(int, jaxlib.__version__.split(".")[:2])) < (0, 11):
    os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"
os.environ["MPLBACKEND"] = "agg"

import jax
import pytest

import rnn_jax.drivers  # noqa: F401  # before pytest collects drivers/scan.py, a module of its function's name

# The laws hold to 1e-12, so float64 is the default here; JAX_ENABLE_X64=0 runs the suite as users
# do. What follows is set in the configuration, not in the environment: a script that a test starts
# runs as a user's.
jax.config.update("jax_enable_x64", os.environ.get("JAX_ENABLE_X64", "1") != "0")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# Compilation dominates the suite, and without LLVM's optimisations it takes 0.6 of the time (a
# training step 1.8 times as long). A test that computes more than it compiles asks for `optimized`.
jax.config.update("jax_disable_most_optimizations", True)

ROOT = Path(__file__).parent.parent


@pytest.fixture
def optimized() -> Iterator[None]:
    """Full optimisation for what is compiled inside the test."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def standard_promotion() -> Iterator[None]:
    """JAX's usual promotion, for tests that run a peer: optax's Adam fails under the strict one."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(autouse=True)
def _promotion_of_the_room(request: pytest.FixtureRequest) -> None:
    """Rooms whose work is done by optax, examples and tests alike, get the usual promotion."""
    if {"train", "models", "experiments"} & set(request.path.relative_to(ROOT).parts):
        request.getfixturevalue("standard_promotion")
