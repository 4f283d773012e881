"""Where recurrent layers of the neighbours go wrong, and ours must not.

    pytest tests/bridge/test_peer_defects.py -n 0 -rP       # prints what the installed peers do

Ours is asserted. What a peer does is recorded (printed, and a property in JUnit's report) and never
asserted: a peer that is mended breaks nothing here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen as flax_linen
from flax import nnx as flax_nnx
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from rnn_jax import cells
from rnn_jax.bridge import linen, nnx

pytestmark = [
    pytest.mark.usefixtures("standard_promotion"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

LSTM = cells.LSTM(input_size=3, hidden_size=4)
XS = jax.random.normal(jax.random.key(0), (2, 5, 3), jnp.float32)  # (B, T, D)
LENGTHS = jnp.array([3, 0])
PADDING = jnp.arange(5)[None] >= LENGTHS[:, None]  # (B, T)
PEERS = {"flax.nnx.RNN", "flax.linen.RNN"}
POISONED = jnp.where(PADDING[..., None], jnp.nan, XS)

Record = Callable[[str, Any], None]
Run = Callable[..., tuple[Any, jax.Array]]  # (weights, xs, lengths) -> state, ys


@pytest.fixture
def record(record_property: Any) -> Record:
    def note(peer: str, fact: Any) -> None:
        record_property(peer, str(fact))
        print(f"{peer}: {fact}")

    return note


def attempt(run: Callable[[], Any]) -> str:
    """What a call says: its value, or the first line of its error."""
    try:
        return str(run())
    except Exception as error:  # whatever the peer raises is the record
        return f"{type(error).__name__}: {str(error).splitlines()[0][:150]}"


def ours() -> dict[str, tuple[Any, Run]]:
    """Both bridges: weights and a function of them."""
    other = linen.RNN(LSTM)
    return {
        "rnn_jax.bridge.nnx": of_nnx(nnx.RNN(LSTM, rngs=flax_nnx.Rngs(0)), "lengths"),
        "rnn_jax.bridge.linen": (
            other.init(jax.random.key(0), XS),
            lambda w, xs, n: other.apply(w, xs, lengths=n),
        ),
    }


def flax() -> dict[str, tuple[Any, Run]]:
    """The same of Flax."""
    cell = flax_nnx.OptimizedLSTMCell(3, 4, rngs=flax_nnx.Rngs(0))
    other = flax_linen.RNN(flax_linen.OptimizedLSTMCell(4), return_carry=True)
    return {
        "flax.nnx.RNN": of_nnx(flax_nnx.RNN(cell, return_carry=True), "seq_lengths"),
        "flax.linen.RNN": (
            other.init(jax.random.key(0), XS),
            lambda w, xs, n: other.apply(w, xs, seq_lengths=n),
        ),
    }


def of_nnx(module: Any, lengths: str) -> tuple[Any, Run]:
    graph, weights, rest = flax_nnx.split(module, flax_nnx.Param, ...)

    def run(weights: Any, xs: jax.Array, n: jax.Array | None) -> tuple[Any, jax.Array]:
        fresh = jax.tree.map(lambda leaf: leaf, rest)  # counters that this trace may advance
        return flax_nnx.merge(graph, weights, fresh)(xs, **{lengths: n})

    return weights, run


@pytest.fixture(scope="module")
def padded() -> dict[str, Any]:
    """State and outputs of all, with lengths; an exception where a peer raises one."""
    found: dict[str, Any] = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for name, (weights, run) in (ours() | flax()).items():
            try:
                found[name] = jax.jit(run)(weights, XS, LENGTHS)
            except Exception as error:
                found[name] = error
    return found


def largest(tree: Any) -> float:
    return max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(tree))


def test_row_of_length_zero(padded: Any, record: Record):
    """Its final state is the initial one; Flax takes index -1, the state after all the padding."""

    def last(name: str) -> float:
        return largest(jax.tree.map(lambda s: s[1], padded[name][0]))

    for name in padded:
        fact = attempt(lambda: f"{last(name):.3g}")  # noqa: B023
        record(name, f"largest entry of the final state of a row of length 0: {fact}")
        assert name in PEERS or last(name) == 0


def test_outputs_on_padding(padded: Any, record: Record):
    """Zero, so that sums and means over time need no second mask; Flax runs on into the padding."""
    for name in padded:
        fact = attempt(lambda: f"{largest(padded[name][1][PADDING]):.3g}")  # noqa: B023
        record(name, f"largest output on padding: {fact}")
        assert name in PEERS or largest(padded[name][1][PADDING]) == 0


def test_padding_of_nan(record: Record):
    """What stands in the padding changes no gradient; Flax multiplies it by a zero cotangent."""

    def gradient(run: Run) -> Callable[[Any, jax.Array], Any]:
        def loss(weights: Any, xs: jax.Array) -> jax.Array:
            return jnp.where(PADDING[..., None], 0, run(weights, xs, LENGTHS)[1]).sum()

        return jax.jit(jax.grad(loss))

    for name, (weights, run) in flax().items():
        fact = attempt(lambda: largest(gradient(run)(weights, POISONED)))  # noqa: B023
        record(name, f"largest entry of the gradient: {fact}")
    for name, (weights, run) in ours().items():
        compiled = gradient(run)
        clean, poisoned = compiled(weights, XS), compiled(weights, POISONED)
        record(name, f"largest entry of the gradient: {largest(poisoned)}")
        assert largest(clean) > 0
        assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), clean, poisoned))


def in_shard_map(run: Callable[..., jax.Array], weights: Any, axis: int = 0) -> jax.Array:
    """Rows spread over two devices, with shard_map's default check of varying axes."""
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    rows = P(*(None,) * axis, "data")
    local = jax.shard_map(run, mesh=mesh, in_specs=(P(), rows), out_specs=rows)
    return jax.jit(local)(weights, jnp.moveaxis(XS, 0, axis))


def test_shard_map_with_its_default_check(record: Record):
    """A zero state made inside must vary over the mesh as the inputs do; the peers' does not."""
    for name, (weights, run) in (flax() | ours()).items():

        def outputs(weights: Any, xs: jax.Array, run: Run = run) -> jax.Array:
            return run(weights, xs, None)[1]

        if name in PEERS:
            record(name, attempt(lambda: in_shard_map(outputs, weights).shape))  # noqa: B023
            continue
        found = in_shard_map(outputs, weights)
        record(name, found.shape)
        assert float(abs(found - jax.jit(outputs)(weights, XS)).max()) < 1e-6


def test_shard_map_with_haiku(record: Record):
    hk = pytest.importorskip("haiku")

    def unroll(xs: jax.Array) -> jax.Array:
        core = hk.LSTM(4)
        return hk.dynamic_unroll(core, xs, core.initial_state(xs.shape[1]))[0]

    module = hk.without_apply_rng(hk.transform(unroll))
    params = module.init(jax.random.key(0), jnp.swapaxes(XS, 0, 1))
    record(
        "haiku.dynamic_unroll",
        attempt(lambda: in_shard_map(module.apply, params, axis=1).shape),
    )
    forget = params["lstm/linear"]["b"][8:12]
    record("haiku.LSTM", f"bias of the forget gate, to which its code adds 1: {forget.tolist()}")


def test_parameters_in_bfloat16(record: Record):
    """Every cell makes them and runs; Flax' orthogonal initialiser has no QR in bfloat16."""
    half = {"param_dtype": jnp.bfloat16, "rngs": flax_nnx.Rngs(0)}
    for name in ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell"):
        kind = getattr(flax_nnx, name)
        record(f"flax.nnx.{name}", attempt(lambda kind=kind: type(kind(3, 4, **half)).__name__))
        cell = getattr(flax_linen, name)(4, param_dtype=jnp.bfloat16)
        init = partial(flax_linen.RNN(cell).init, jax.random.key(0), XS)
        record(f"flax.linen.{name}", attempt(lambda init=init: sorted(init()["params"])))
    for cell in (LSTM, *(kind(input_size=3, hidden_size=4) for kind in (cells.GRU, cells.Elman))):
        rnn = nnx.RNN(cell, **half)
        assert {leaf.dtype for leaf in rnn.get_params()} == {jnp.dtype(jnp.bfloat16)}
        single = nnx.RNN(cell, rngs=flax_nnx.Rngs(0))
        single.set_params(rnn.get_params())
        found, expected = jax.jit(lambda: (rnn(XS)[1], single(XS)[1]))()  # noqa: B023
        assert float(abs(found - expected).max()) < 2e-2


def test_bias_inside_the_reset(record: Record):
    """n = tanh(x w_xn + b_n + r * (h w_hn + b_h)): NNX documents b_h and has none."""
    cell = flax_nnx.GRUCell(3, 4, rngs=flax_nnx.Rngs(0))
    record("flax.nnx.GRUCell", f"documented: {'b_{hn}' in (flax_nnx.GRUCell.__doc__ or '')}")
    record("flax.nnx.GRUCell", f"parameters of dense_h: {sorted(flax_nnx.state(cell)['dense_h'])}")
    rnn = nnx.RNN(cells.GRU(input_size=3, hidden_size=4), rngs=flax_nnx.Rngs(0))
    params, before = rnn.get_params(), rnn(XS)[1]
    rnn.set_params(params._replace(b_h=jnp.ones(4)))
    assert largest(rnn(XS)[1] - before) > 1e-3
