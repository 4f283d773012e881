"""Values and gradients of the authors' sLSTM in float64: ``python tests/golden/make_slstm.py``.

Made with xlstm 2.0.6, omegaconf and dacite (``pip install --no-deps``) and torch 2.13.0.
"""

from pathlib import Path

import numpy as np
import torch
from xlstm.blocks.slstm.src.vanilla import slstm_forward, slstm_pointwise_function_registry

SIZE, STEPS, ROWS = 6, 5, 2


def run(num_heads: int, carried: bool) -> dict[str, np.ndarray]:
    """Gates as the input gives them (T, B, 4H), and what comes out."""
    rng, head = np.random.default_rng(num_heads), SIZE // num_heads

    def leaf(*shape: int, scale: float = 1.0) -> torch.Tensor:
        values = scale * rng.integers(-64, 65, shape) / 64
        return torch.tensor(values, dtype=torch.float64, requires_grad=True)

    gates, w_h, b = leaf(STEPS, ROWS, 4 * SIZE, scale=4), leaf(num_heads, 4 * head, head), leaf(24)
    start = torch.zeros(4, ROWS, SIZE, dtype=torch.float64)
    if carried:
        start = leaf(4, ROWS, SIZE).detach()
        start[2] += 2  # a normaliser that a memory can have
    start.requires_grad = True
    step = slstm_pointwise_function_registry["slstm"]
    states, last, _ = slstm_forward(gates, start, w_h, b, step)
    ys = states[0, 1:]
    torch.sin(ys).sum().backward()
    found = {"gates": gates, "w_h": w_h, "b": b, "start": start, "ys": ys, "last": last}
    found |= {f"d_{name}": found[name].grad for name in ("gates", "w_h", "b")}
    if carried:
        found["d_start"] = start.grad
    return {name: value.detach().numpy() for name, value in found.items()}


if __name__ == "__main__":
    cases = {"two_heads": run(2, carried=False), "one_head": run(1, carried=True)}
    arrays = {f"{case}/{name}": a for case, many in cases.items() for name, a in many.items()}
    np.savez_compressed(Path(__file__).with_name("slstm.npz"), **arrays)
