"""Numbers of the peers: from the golden files, and from the peers themselves where installed."""

import importlib
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

GOLDEN = Path(__file__).parent.parent / "golden"


def load(peer: str) -> dict[str, Any]:
    """The golden numbers as a tree: tree[case]["weights"][name], tree[case]["ys"], ..."""
    tree: dict[str, Any] = {}
    with np.load(GOLDEN / f"{peer}_weights.npz") as file:
        for name, array in file.items():
            case, part, *rest = name.split("/", 2)
            if rest:
                tree.setdefault(case, {}).setdefault(part, {})[rest[0]] = array
            else:
                tree.setdefault(case, {})[part] = array
    return tree


def maker(peer: str) -> Any:
    """The script that made the golden numbers, if the peer is installed."""
    os.environ.setdefault("KERAS_BACKEND", "jax")  # else Keras looks for TensorFlow
    pytest.importorskip(peer)
    return importlib.import_module(f"tests.golden.make_{peer}_weights")


def check_golden_numbers(peer: str) -> None:
    """What the installed peer says is what lies in the file."""
    now = maker(peer).arrays()
    with np.load(GOLDEN / f"{peer}_weights.npz") as file:
        assert sorted(now) == sorted(file)
        for name, array in file.items():
            np.testing.assert_allclose(now[name], array, rtol=0, atol=1e-12, err_msg=name)


def assert_close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for have, want in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
        np.testing.assert_allclose(have, want, rtol=0, atol=tolerance)


def single(tree: Any) -> Any:
    """The tree in float32."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree)
