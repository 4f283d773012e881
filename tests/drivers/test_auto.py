"""``auto``: what it picks, why, and that it gives what ``scan`` gives."""

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers
from rnn_jax.drivers.auto import RULES
from tests.laws.cases import LENGTHS, RESET, assert_same, make_case

KINDS = {
    "affine": cells.MinGRU(input_size=2, hidden_size=4),
    "elementwise": cells.ParaGRU(input_size=2, hidden_size=4),
    "gated": cells.GRU(input_size=2, hidden_size=4),
    "other": cells.Jordan(input_size=2, hidden_size=4, output_size=2),
}


def choose(kind, platform, num_steps=4096, num_rows=1):
    cell = KINDS[kind]
    xs = jax.ShapeDtypeStruct((num_steps, num_rows, 2), jnp.float32)
    return drivers.explain(cell, cell.init(jax.random.key(0)), xs, platform=platform)


@pytest.mark.parametrize("platform", ["cpu", "gpu", "tpu"])
@pytest.mark.parametrize("kind", KINDS)
def test_picks_by_the_table(kind, platform):
    """A parallel driver only where one has been measured to win: affine, long, few rows, a GPU."""
    long, short = choose(kind, platform), choose(kind, platform, num_steps=100)
    many = choose(kind, platform, num_rows=100_000)
    parallel = (kind, platform) == ("affine", "gpu")
    assert [long.driver, short.driver, many.driver] == [
        "associative" if parallel else "scan",
        "scan",
        "scan",
    ]
    loop = {"cpu": (8, 4), "gpu": (16, 8), "tpu": (16, 1)}[platform]
    if kind == "gated":
        assert (long.chunk, long.unroll) == loop
    else:
        assert (long.chunk, long.unroll) == ((1, None) if parallel else (None, 1))
    assert str(long) and long.reason and long.evidence


def test_evidence_is_there():
    """Files that rules name are in the checkout."""
    root = Path(__file__).parents[2]
    named = [rule.evidence.split(":")[0] for rule in RULES if rule.evidence[:10] == "benchmarks"]
    assert len(named) >= 4 and all((root / name).is_file() for name in named), named


def test_equals_scan(monkeypatch):
    """Whichever it runs."""
    eager = tuple(rule._replace(min_steps=0) for rule in RULES)
    monkeypatch.setattr(sys.modules["rnn_jax.drivers.auto"], "RULES", eager)
    cell, params, state, xs = make_case("min_gru")
    marks = {"lengths": LENGTHS, "reset": RESET, "reverse": True}

    @jax.jit
    def roads(params, xs, state):
        found = {
            platform: drivers.auto(cell, params, xs, state, **marks, platform=platform)
            for platform in ("cpu", "gpu")
        }
        return found, drivers.scan(cell, params, xs, state, **marks)

    found, want = roads(params, xs, state)
    for platform, results in found.items():
        assert_same(results, want, what=f"{platform}: ")


def test_runs_the_loop_that_explain_names():
    """Of the platform that is named, not of the one that traces: 16 steps a chunk, 8 at a time."""
    cell = KINDS["gated"]
    params, xs = cell.init(jax.random.key(0)), jnp.ones((32, 1, 2))
    found = str(jax.make_jaxpr(lambda xs: drivers.auto(cell, params, xs, platform="gpu"))(xs))
    with drivers.compiling_for("gpu"):
        sized = partial(drivers.scan, chunk=16, unroll=8)
        want = str(jax.make_jaxpr(lambda xs: sized(cell, params, xs))(xs))
    default = str(jax.make_jaxpr(lambda xs: drivers.scan(cell, params, xs))(xs))
    assert found == want != default


def test_no_such_platform():
    with pytest.raises(ValueError, match='platform must be "cpu", "gpu", "tpu" or None'):
        choose("gated", "npu")


@pytest.mark.parametrize("chunk", [0, 2.0])
def test_no_such_chunk(chunk):
    cell = KINDS["gated"]
    with pytest.raises(ValueError, match="chunk must be a whole number >= 1 or None"):
        drivers.scan(cell, cell.init(jax.random.key(0)), jnp.ones((5, 2)), chunk=chunk)
