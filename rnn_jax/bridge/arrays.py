"""What the weight converters share: arrays of any library, blocks of gates, and refusals."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax.typing import PyTree

P = TypeVar("P")
Reset = Literal["after", "before"]


def numpy_array(leaf: Any) -> np.ndarray:
    """An array of NumPy from one of NumPy, JAX, Flax, Keras or PyTorch (bfloat16 too).

    Example:
        >>> numpy_array(jnp.ones((2, 3), jnp.bfloat16)).dtype
        dtype(bfloat16)
    """
    if hasattr(leaf, "detach"):  # a tensor of PyTorch, which gives NumPy no bfloat16
        leaf = leaf.detach().cpu()
        if str(leaf.dtype) == "torch.bfloat16":
            return leaf.float().numpy().astype(jnp.bfloat16)
    return np.asarray(leaf)


def build(params_type: Callable[..., P], **arrays: Any) -> P:
    """Parameters of the library from a peer's arrays, copied.

    Example:
        >>> from rnn_jax.cells import ElmanParams
        >>> build(ElmanParams, w_x=np.ones((2, 3)), w_h=np.ones((3, 3)), b=np.ones(3)).b.tolist()
        [1.0, 1.0, 1.0]
    """
    return params_type(**jax_arrays(arrays))


def jax_arrays(tree: PyTree) -> PyTree:
    """Arrays of JAX, copied, so that nothing done to the peer's weights later shows here.

    Example:
        >>> jax_arrays([np.ones(2, np.float32)])[0].tolist()
        [1.0, 1.0]
    """
    return jax.tree.map(lambda leaf: jnp.array(numpy_array(leaf)), tree)


def exportable(leaf: Any) -> np.ndarray:
    """A copy in a dtype that every library loads: bfloat16 becomes float32, which holds it.

    Example:
        >>> exportable(jnp.ones(2, jnp.bfloat16)).dtype
        dtype('float32')
    """
    array = numpy_array(leaf)
    return array.astype(np.float32 if array.dtype == jnp.bfloat16 else array.dtype)


def take_gates(array: Any, order: Sequence[int]) -> np.ndarray:
    """Reorder the gates' blocks of the last axis: the i-th block of the result is the order[i]-th.

    Example:
        >>> take_gates(np.array([1, 2, 3, 4, 5, 6]), (1, 0, 2)).tolist()
        [3, 4, 1, 2, 5, 6]
    """
    blocks = np.split(numpy_array(array), len(order), axis=-1)
    return np.concatenate([blocks[i] for i in order], axis=-1)


def last_gate(array: Any, num_gates: int) -> tuple[np.ndarray, np.ndarray]:
    """A bias (G * H,) as two: one that is zero for the last gate, and the last gate's (H,).

    Example:
        >>> [b.tolist() for b in last_gate(np.array([1, 2, 3]), 3)]
        [[1, 2, 0], [3]]
    """
    *others, last = np.split(numpy_array(array), num_gates)
    return np.concatenate([*others, np.zeros_like(last)]), last


def check_kernels(
    kind: str, num_gates: int, w_x: np.ndarray, w_h: np.ndarray, projected: bool = False
) -> None:
    """Check kernels (D, G * H) and (H, G * H); a projection may have fewer rows in the second.

    Raises:
        ValueError: If they have other shapes.

    Example:
        >>> check_kernels("an LSTM", 4, np.ones((2, 12)), np.ones((3, 12)))
    """
    if not (
        w_x.ndim == w_h.ndim == 2
        and w_x.shape[1] == w_h.shape[1]
        and w_x.shape[1] % num_gates == 0
        and (projected or w_h.shape[0] * num_gates == w_h.shape[1])
    ):
        raise ValueError(
            f"the kernels have shapes {w_x.shape} for inputs and {w_h.shape} for the state, but "
            f"{kind} of H units has {num_gates} * H columns in both and H rows in the second: "
            f"these are the weights of another layer."
        )


def check_reset(peer: str, has: Reset, reset: str) -> None:
    """Refuse weights of one form of the GRU for the other.

    Raises:
        ValueError: If they differ; no weights of one form compute the other.

    Example:
        >>> check_reset("torch.nn.GRU", has="after", reset="after")
    """
    if reset not in ("after", "before"):
        raise ValueError(f'reset must be "after" or "before", that of the cell, got {reset!r}.')
    if reset != has:
        forms = {"after": "r * (h @ w_hn)", "before": "(r * h) @ w_hn"}
        raise ValueError(
            f"{peer} applies the reset gate {has} the recurrent product, {forms[has]}, and "
            f'cells.GRU(reset="{reset}") {reset} it, {forms[reset]}: one scales columns of w_hn '
            f"and the other rows, by numbers that change at every step, so no weights make them "
            f'equal. Use cells.GRU(reset="{has}") for these weights, or train anew.'
        )
