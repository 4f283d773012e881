"""The contenders of a benchmark as compiled programs, checked to compute the same."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from math import isnan
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import Program, compile_program, relative_error
from benchmarks.peers import Layer
from rnn_jax import cells, drivers

Mode = Literal["forward", "training"]
CELLS: dict[str, Any] = {
    "elman": cells.Elman, "lstm": cells.LSTM, "gru": cells.GRU,
    "layer_norm_lstm": cells.LayerNormLSTM, "min_gru": cells.MinGRU,
}  # fmt: skip
TOLERANCE = 1e-4  # relative error in float32 of outputs and of each gradient
TOLERANCES = {"gpu": 1e-2, "tpu": 3e-2}  # where products of float32 are TF32's, or bfloat16's


class Case(NamedTuple):
    """One layer to be run: cell, parameters, inputs."""

    cell: Any
    params: Any
    xs: jax.Array  # (T, B, D)


def make_case(
    kind: str, num_steps: int, batch_size: int, input_size: int, hidden_size: int, seed: int = 0
) -> Case:
    """Random parameters and inputs; the bias that some libraries lack is 0, the others are not."""
    cell = CELLS[kind](input_size=input_size, hidden_size=hidden_size)
    key_params, key_b, key_x = jax.random.split(jax.random.key(seed), 3)
    params = cell.init(key_params)
    if hasattr(params, "b"):
        params = params._replace(b=params.b + 0.1 * jax.random.normal(key_b, params.b.shape))
    xs = jax.random.normal(key_x, (num_steps, batch_size, input_size))
    return Case(cell, params, xs)


def own_layers(cell: Any, unroll: tuple[int, ...]) -> list[Layer]:
    """Our drivers: what ``scan`` does by default first."""
    choices: list[tuple[str, dict[str, Any]]] = [
        ("rnn_jax scan", {}),
        ("rnn_jax scan, autodiff", {"gradient": "autodiff"}),
        ("rnn_jax scan, remat sqrt", {"remat": "sqrt"}),
    ]
    for count in unroll:
        choices.append(
            (f"rnn_jax scan, autodiff, unroll {count}", {"gradient": "autodiff", "unroll": count})
        )
    return [own_layer(cell, name, drivers.scan, **options) for name, options in choices]


def own_layer(cell: Any, name: str, driver: Callable[..., Any], **options: Any) -> Layer:
    """One of our drivers as a layer."""

    def apply(params: Any, xs: jax.Array) -> jax.Array:
        return driver(cell, params, xs, **options)[1]

    return Layer(name, cell, lambda params: params, apply)


def plain_layer(cell: Any) -> Layer:
    """A loop over the step, differentiated as it is."""
    return own_layer(cell, "plain scan", drivers.scan, gradient="autodiff", unroll=1)


def jax_program(layer: Layer, mode: Mode, case: Case) -> Program:
    """The outputs, or the gradient of their mean square by parameters and inputs."""
    own = layer.pack(case.params)
    if mode == "forward":
        return compile_program(layer.name, layer.apply, own, case.xs)

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        return jnp.square(layer.apply(params, xs)).mean()

    return compile_program(layer.name, jax.grad(loss, argnums=(0, 1)), own, case.xs)


def torch_program(mode: Mode, case: Case, threads: int) -> tuple[Layer, Program] | str:
    """torch.nn.LSTM, GRU or RNN, where JAX runs (cuDNN's on a GPU); or why there is none."""
    cell, kind = case.cell, {"Elman": "RNN"}.get(name := type(case.cell).__name__, name)
    if kind not in ("RNN", "LSTM", "GRU"):
        return f"torch has no {kind} of the same equations"
    if not find_spec("torch"):
        return "torch is not installed"
    import torch

    on_gpu = jax.default_backend() == "gpu"
    if on_gpu and not torch.cuda.is_available():
        return "torch is here without CUDA"
    torch.set_num_threads(threads)
    device = torch.device("cuda" if on_gpu else "cpu")
    module = getattr(torch.nn, kind)(cell.input_size, cell.hidden_size).to(device)
    xs = torch.tensor(jax.device_get(case.xs), requires_grad=mode == "training", device=device)

    def pack(p: Any) -> dict[str, jax.Array]:
        b_h = jnp.zeros_like(p.b)
        if kind == "GRU":
            b_h = b_h.at[2 * cell.hidden_size :].set(p.b_h)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return dict(zip(names, (p.w_x.T, p.w_h.T, p.b, b_h), strict=True))

    weights = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in pack(case.params).items():
            weights[name].copy_(torch.tensor(jax.device_get(value)))

    def call() -> Any:
        if mode == "forward":
            with torch.no_grad():
                result: Any = module(xs)[0]
        else:
            loss = module(xs)[0].square().mean()
            *d_weights, d_xs = torch.autograd.grad(loss, [*weights.values(), xs])
            result = dict(zip(weights, d_weights, strict=True)), d_xs
        if on_gpu:
            torch.cuda.synchronize()
        return result

    layer = Layer(f"torch.nn.{kind}" + (" (cuDNN)" if on_gpu else ""), cell, pack, module)
    return layer, Program(layer.name, call)


def array(value: Any) -> Any:
    """A tensor of torch, wherever it lies, as an array; arrays as they are."""
    return value.numpy(force=True) if hasattr(value, "numpy") else value


def in_our_terms(layer: Layer, mode: Mode, case: Case, result: Any) -> Iterator[tuple[str, Any]]:
    """(name, array) of the outputs, or of the gradient by each of our parameters and the inputs."""
    if mode == "forward":
        yield "ys", array(result)
        return
    d_own, d_xs = jax.tree.map(array, result)
    _, transpose = jax.vjp(layer.pack, case.params)
    (d_params,) = transpose(jax.tree.map(jnp.asarray, d_own))
    yield "xs", d_xs
    for name, value in d_params._asdict().items():
        if name not in layer.lacks:
            yield name, value


class Checker:
    """Compares results with those of the plain scan over the same cell in float64."""

    def __init__(self, mode: Mode, case: Case) -> None:
        self.mode, self.case = mode, case
        self.references: dict[Any, dict[str, np.ndarray]] = {}

    def reference(self, cell: Any) -> dict[str, np.ndarray]:
        """The outputs, or the gradient by each parameter and the inputs, of the same values."""
        with jax.enable_x64(True):
            params, xs = jax.tree.map(lambda x: x.astype(jnp.float64), self.case[1:])
            plain, wide = plain_layer(cell), Case(cell, params, xs)
            result = jax.device_get(jax_program(plain, self.mode, wide).call())
        if self.mode == "forward":
            return {"ys": result}
        return {**result[0]._asdict(), "xs": result[1]}

    def worst(self, layer: Layer, result: Any) -> tuple[float, str]:
        """The relative error of the outputs, or the largest of the gradient's parts; of which."""
        if layer.cell not in self.references:
            self.references[layer.cell] = self.reference(layer.cell)
        reference = self.references[layer.cell]
        found = in_our_terms(layer, self.mode, self.case, result)
        errors = ((relative_error(value, reference[name]), name) for name, value in found)
        return max(errors, key=lambda pair: (isnan(pair[0]), pair[0]))

    def error(self, layer: Layer, result: Any) -> float:
        """The largest relative error.

        Raises:
            ValueError: If it is too large for two programs that compute the same.
        """
        error, name = self.worst(layer, result)
        limit = TOLERANCES.get(jax.default_backend(), TOLERANCE)
        if not error <= limit:  # a cell may be chaotic: how exact can it be at all?
            plain = plain_layer(layer.cell)
            possible, _ = self.worst(plain, jax_program(plain, self.mode, self.case).call())
            limit = max(limit, min(4 * possible, 100 * limit))
        if not error <= limit:
            raise ValueError(
                f"{layer.name} computes something else ({self.mode}): {name} differs from the "
                f"plain scan in float64 by {error:.1e}, which is over {limit:.1e}."
            )
        return error
