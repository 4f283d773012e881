"""Numbers of the authors' SRU, ``v1=True``: ``python tests/golden/make_sru.py``.

Made with sru 2.6.0 (``pip install --no-deps``) and torch 2.13.0.
"""

import os
import warnings
from pathlib import Path

os.environ["PYTORCH_JIT"] = "0"  # its scripts name CUDA operators that are not there

import numpy as np
import torch
import torch.utils.cpp_extension

torch.utils.cpp_extension.load = lambda **_: None  # compiled code that only inference would use

from sru import SRUCell  # noqa: E402

ROWS, STEPS, SIZE = 2, 5, 4


def run(input_size: int, use_tanh: bool) -> dict[str, np.ndarray]:
    torch.manual_seed(input_size)
    cell = SRUCell(input_size, SIZE, use_tanh=use_tanh, highway_bias=-0.5, v1=True).double()
    # The buffer holds alpha rounded to float32; made again, it has float64's digits.
    cell.scale_x = torch.tensor([(1 + 2 * np.exp(-0.5)) ** 0.5], dtype=torch.float64)
    with torch.no_grad():
        cell.bias += torch.randn(2 * SIZE, dtype=torch.float64)
    x = torch.randn(STEPS, ROWS, input_size, dtype=torch.float64, requires_grad=True)
    c = torch.randn(ROWS, SIZE, dtype=torch.float64, requires_grad=True)
    y, last = cell(x, c)
    (torch.sin(y).sum() + torch.cos(last).sum()).backward()
    numbers = {"x": x, "c": c, "weight": cell.weight, "bias": cell.bias, "y": y, "last": last}
    numbers |= {"d_x": x.grad, "d_c": c.grad, "d_weight": cell.weight.grad}
    return {name: value.detach().numpy() for name, value in numbers.items()}


def main() -> None:
    warnings.simplefilter("ignore")  # it asks whether we are sure to run on the CPU
    cases = {"same": run(SIZE, use_tanh=False), "other": run(3, use_tanh=True)}
    numbers = {f"{case}_{name}": a for case, many in cases.items() for name, a in many.items()}
    np.savez_compressed(Path(__file__).with_name("sru.npz"), **numbers)


if __name__ == "__main__":
    main()
