"""Compiling for devices that are not here, where their compilers are; else what reads programs."""

import dataclasses
import json
import subprocess
import sys
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import optax
import pytest

from benchmarks import aot, census, training_steps
from rnn_jax.train import cli, parallel
from rnn_jax.train.state import TrainState

# As a TPU's compiler prints: 10 cycles once, 3 * 2 in a loop of 4 rounds, 5 in a call.
PROGRAM = """HloModule jit_f

%body (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %p = (s32[]{:T(128)}, f32[8]{0}) parameter(0)
  %a = f32[8]{0} fusion(%p), kind=kLoop, calls=%fused, backend_config={"estimated_cycles":"3"}
  %b = f32[8]{0} fusion(%a), kind=kLoop, calls=%fused, backend_config={"estimated_cycles":"3"}
  %r = f32[8]{0} all-reduce(%b), to_apply=%add
  ROOT %t = (s32[]{:T(128)}, f32[8]{0}) tuple(%p, %r)
}

%condition (p.1: (s32[], f32[8])) -> pred[] {
  %limit = s32[]{:T(128)} constant(4)
  %other = s32[]{:T(128)} constant(9)
  %p.1 = (s32[]{:T(128)}, f32[8]{0}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%p.1), index=0
  ROOT %lt = pred[]{:T(512)} compare(%i, %limit), direction=LT, metadata={op_name="lt"}
}

%called (q: f32[8]) -> f32[8] {
  %q = f32[8]{0} parameter(0)
  ROOT %c = f32[8]{0} fusion(%q), kind=kLoop, calls=%fused, backend_config={"estimated_cycles":"5"}
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  %f = f32[8]{0} fusion(%x), kind=kLoop, calls=%fused, backend_config={"estimated_cycles":"10"}
  %s = f32[8]{0} all-gather-start(%f), dimensions={0}
  %d = f32[8]{0} all-gather-done(%s)
  %w = (s32[]{:T(128)}, f32[8]{0}) while(%d), condition=%condition, body=%body
  ROOT %k = f32[8]{0} call(%w), to_apply=%called
}
"""


def test_loops_count_as_often_as_they_go_round():
    assert census.total(PROGRAM, census.estimated_cycles) == 10 + 4 * (3 + 3) + 5
    assert census.total(PROGRAM, census.is_kernel) == 2 + 4 * (3 + 1) + 1  # 1 for the comparison
    assert census.collectives(PROGRAM) == {"all-reduce": (1, 1), "all-gather": (1, 0)}
    endless = PROGRAM.replace("direction=LT", "direction=NE")
    assert census.total(endless, census.estimated_cycles) is None


def test_rounds_of_a_real_loop():
    def f(x):
        return jax.lax.fori_loop(0, 7, lambda i, y: jnp.sin(y) @ y, x)

    text = jax.jit(f).lower(jnp.ones((4, 4))).compile().as_text()
    rounds = census.total(text, lambda instruction: float(instruction.opcode == "tuple"))
    assert rounds in (7, 8)  # one a round, and one before the loop


def test_arguments_lie_where_arrays_would():
    case, mesh = training_steps.language_model(smoke=True), parallel.data_mesh()
    adam = optax.adam(0.1)

    def zeros(tree):
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), tree)

    state = TrainState.create(zeros(case.params), adam, jax.random.key(0), zeros(case.carry))
    real = parallel.place(state, mesh), parallel.split_rows(zeros(case.batch), mesh)
    given = aot.arguments(case, adam, mesh)
    where = [
        [(x.shape, x.dtype, x.sharding.is_equivalent_to(y.sharding, x.ndim)) for x, y in leaves]
        for leaves in (
            list(zip(*map(jax.tree.leaves, (given, real)), strict=True)),
            [(leaf, leaf) for leaf in jax.tree.leaves(real)],
        )
    ]
    assert where[0] == where[1]


@pytest.mark.parametrize("name", training_steps.CASES)
def test_a_case_fits_its_own_loss(name, standard_promotion):
    with jax.enable_x64(False):
        case = training_steps.CASES[name](True)
        key = jax.eval_shape(lambda: jax.random.key(0))
        found, carry = jax.eval_shape(case.loss, case.params, case.carry, case.batch, key)
    assert found.total.shape == found.count.shape == ()
    assert jax.tree.map(jnp.shape, carry) == jax.tree.map(jnp.shape, case.carry)


def test_table():
    row = aot.Row("speech", "B=1", "4 x v5e", "jit", 9.6, 3 << 20, 5 << 20, {}, 2.5e6, None)
    other = row._replace(case="x", sizes="B=2", collectives={"all-reduce": (3, 1)}, cycles=None)
    assert aot.table([row, other._replace(kernels=7.0)]).splitlines()[2:] == [
        "| speech | 4 x v5e | jit | 3 | 5 | none | 0 | 2.5 | - | 10 |",
        "| x | 4 x v5e | jit | 3 | 5 | 3 all-reduce | 1 | - | 7 | 10 |",
        "",
        "- speech: B=1",
        "- x: B=2",
    ]


def test_what_was_compiled_is_kept(tmp_path):
    row = aot.Row("speech", "B=1", "4 x v5e", "jit", 9.6, 3, 5, {"all-reduce": [1, 0]}, 2.5, None)
    config, environment = aot.Config(out=tmp_path), {"commit": "a", "versions": {}, "compilers": {}}
    assert aot.compiled_before(config, environment) == []
    aot.write(config, environment | {"python": "3"}, [row])
    assert aot.compiled_before(config, environment) == [row]
    assert aot.compiled_before(config, environment | {"commit": "b"}) == []
    assert aot.compiled_before(dataclasses.replace(config, smoke=True), environment) == []


def test_absent_compilers_are_named(monkeypatch, capsys):
    monkeypatch.setattr(aot, "find_spec", lambda name: None)
    presets = {"default": aot.Config(targets=("h200",))}
    assert cli.main("aot", [aot.compile_steps], presets, []) == 2
    assert capsys.readouterr().err == (
        "aot: error: not installed: jax_cuda12_plugin for h200: pip install -e '.[aot]'\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("target", aot.CHIPS)
def test_no_collective_stands_in_a_time_loop(target, tmp_path):
    if not find_spec(aot.COMPILERS[target]):
        pytest.skip(f"{aot.COMPILERS[target]} is not installed: pip install -e '.[aot]'")
    command = [sys.executable, "-m", "benchmarks.aot", "--smoke", "--targets", target]
    subprocess.run([*command, "--out", tmp_path], check=True)
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert {row["case"] for row in rows} == {"language model", "translation", "speech"}
    for row in rows:
        assert all(inside == 0 for _, inside in row["collectives"].values()), row
        if row["mode"] == "shard_map":  # loss, count and gradient travel together
            assert row["collectives"] == {"all-reduce": [1, 0]}, row
        assert (row["cycles"] or row["kernels"]) > 0
