"""Numbers of torch.nn.MultiheadAttention: ``python -m tests.golden.make_torch_attention``.

Made with torch 2.13.0.
"""

from pathlib import Path

import numpy as np
import torch

ROWS, QUERIES, PLACES, HEADS = 3, 4, 5, 2
LENGTHS = np.array([5, 1, 3])


def numbers(case: str, seed: int = 0) -> dict[str, np.ndarray]:
    """``cross``: other sizes and padding; ``causal``: self-attention that sees no later step."""
    torch.manual_seed(seed)
    size = 6
    sizes = {"kdim": 3, "vdim": 3} if case == "cross" else {}
    layer = torch.nn.MultiheadAttention(size, HEADS, **sizes).double()
    with torch.no_grad():
        for name in ("in_proj_bias", "out_proj.bias"):
            layer.get_parameter(name).normal_()
    queries = torch.randn(QUERIES, ROWS, size, dtype=torch.float64, requires_grad=True)
    found = {"queries": queries}
    if case == "cross":
        memory = torch.randn(PLACES, ROWS, 3, dtype=torch.float64, requires_grad=True)
        padding = torch.arange(PLACES)[None] >= torch.tensor(LENGTHS)[:, None]
        options = {"key_padding_mask": padding}
        found["memory"] = memory
        weights = (layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight)
    else:
        memory = queries
        options = {"attn_mask": torch.ones(QUERIES, QUERIES).triu(1).bool()}
        weights = layer.in_proj_weight.chunk(3)
    ys, alignment = layer(queries, memory, memory, average_attn_weights=False, **options)
    gradients = torch.autograd.grad(torch.sin(ys).sum(), list(found.values()))
    found |= {f"d_{name}": g for name, g in zip(list(found), gradients)}
    found |= dict(zip(("w_q", "w_k", "w_v"), weights))
    found |= dict(zip(("b_q", "b_k", "b_v"), layer.in_proj_bias.chunk(3)))
    found |= {"w_o": layer.out_proj.weight, "b_o": layer.out_proj.bias}
    found |= {"ys": ys, "alignment": alignment}
    return {name: value.detach().numpy() for name, value in found.items()}


def main() -> None:
    cases = {f"{c}/{name}": a for c in ("cross", "causal") for name, a in numbers(c).items()}
    np.savez_compressed(Path(__file__).with_name("torch_attention.npz"), **cases)


if __name__ == "__main__":
    main()
