"""Numbers of Google DeepMind's RG-LRU: ``python tests/golden/make_rg_lru.py``.

Made with jax 0.10.2 and recurrentgemma 1.0.1, einops, sentencepiece (``pip install --no-deps``).
"""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import typeguard

jax.config.update("jax_enable_x64", True)
typeguard.typechecked = lambda function: function  # its annotations do not parse on Python 3.11

from recurrentgemma import common  # noqa: E402
from recurrentgemma.jax import layers, scan  # noqa: E402

scan.linear_scan = partial(scan.linear_scan, acc_float_dtype=jnp.float64)  # float32 otherwise

ROWS, STEPS, SIZE = 2, 5, 4


def main() -> None:
    rng = np.random.default_rng(0)
    normal = rng.standard_normal
    numbers = {
        "x": normal((ROWS, STEPS, SIZE)),
        "h": normal((ROWS, SIZE)),
        "w_r": normal((SIZE, SIZE)),
        "b_r": normal(SIZE),
        "w_i": normal((SIZE, SIZE)),
        "b_i": normal(SIZE),
        "a_param": normal(SIZE) - 2,
    }
    layer = layers.RGLRU(
        width=SIZE, num_heads=1, scan_type=common.ScanType.LINEAR_NATIVE, param_dtype=jnp.float64
    )
    params = {
        "a_param": numbers["a_param"],
        "a_gate": {"w": numbers["w_r"][None], "b": numbers["b_r"][None]},
        "input_gate": {"w": numbers["w_i"][None], "b": numbers["b_i"][None]},
    }
    later = jnp.arange(1, STEPS + 1)[None].repeat(ROWS, 0)  # position 0 would restart the state

    def run(params, x, h):
        return layer.apply({"params": params}, x, later, h)

    def loss(params, x, h):
        return jnp.sin(run(params, x, h)[0]).sum()

    arguments = jax.tree.map(jnp.asarray, (params, numbers["x"], numbers["h"]))
    y, last = run(*arguments)
    d_params, d_x, d_h = jax.grad(loss, argnums=(0, 1, 2))(*arguments)
    numbers |= {"y": y, "last": last, "d_a_param": d_params["a_param"], "d_x": d_x, "d_h": d_h}
    numbers["d_w_r"] = d_params["a_gate"]["w"][0]
    assert y.dtype == jnp.float64
    np.savez_compressed(Path(__file__).with_name("rg_lru.npz"), **numbers)


if __name__ == "__main__":
    main()
