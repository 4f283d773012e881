"""The readers of compiled programs, each on programs that have and have not what they look for."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, drivers
from tests import static

W = jnp.full((4, 4), 0.1)
XS = jnp.ones((6, 2, 4))


def loop(body, xs=XS):
    return jax.lax.scan(body, jnp.zeros((2, 4)), xs)[0]


def test_products_inside_and_outside_of_a_loop():
    def inside(w, xs):
        return loop(lambda h, x: (jnp.tanh(h @ w + x), None), xs)

    def outside(w, xs):
        return loop(lambda h, x: (jnp.tanh(h + x), None), xs @ w)

    def nested(w, xs):
        return loop(lambda h, x: (loop(lambda a, x: (jnp.tanh(a @ w + x), None), xs) + x, None), xs)

    assert static.count_in_while(static.compiled(inside, W, XS), "dot") == 1
    assert static.count_in_while(static.compiled(outside, W, XS), "dot") == 0
    program = static.compiled(nested, W, XS)
    assert static.count_in_while(program, "dot") == 1
    assert len(static.while_bodies(program)) == 2
    assert not static.while_bodies(static.compiled(lambda w: w @ w, W))


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_collectives_inside_and_outside_of_a_loop(where: str):
    def f(xs):
        def body(h, x):
            x = jax.lax.psum(h + x, "data") if where == "inside" else h + x
            return jax.lax.pcast(x, "data", to="varying") if where == "inside" else x, None

        h = jax.lax.pcast(jnp.zeros((1, 4)), "data", to="varying")
        return jax.lax.psum(jax.lax.scan(body, h, xs)[0], "data")

    mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    sharded = jax.shard_map(f, mesh=mesh, in_specs=P(None, "data"), out_specs=P())
    program = static.compiled(sharded, XS)
    assert static.count_in_while(program, "all-reduce") == (where == "inside")
    assert "all-reduce" in program.as_text()


def test_text_of_other_compilers():
    text = """
HloModule jit_f
%fused (p: bf16[2,4]) -> bf16[2,4] {
  ROOT %c = bf16[2,4]{1,0:T(8,128)(2,1)S(1)} custom-call(%p), custom_call_target="__cublas$gemm"
}
%body (s: (s32[], f32[4])) -> (s32[], /*index=1*/f32[4]) {
  %r = (f32[4]{0}, f32[4]{0}) all-reduce-start(%x), to_apply=%add
  %o = f32[4]{0} custom-call(%x), custom_call_target="__cudnn$norm"
  %f = bf16[2,4]{1,0} fusion(%x), kind=kLoop, calls=%fused
}
ENTRY %main (a: f32[4]) -> f32[4] {
  %dot.1 = f32[4]{0} dot(%a, %a)
  ROOT %w = (s32[], /*index=1*/f32[4]{0}) while(%t), condition=%cond, body=%body
}
"""
    assert static.count_in_while(text, "all-reduce") == 1
    assert static.count_in_while(text, "dot") == 1
    assert static.count_in_while(text, "fusion") == 1
    assert list(static.while_bodies(text)) == ["body"]


def test_temp_bytes(optimized):
    def f(xs):
        sorted_ = jnp.sort(xs.reshape(-1))  # a copy that has to stand somewhere
        return sorted_[0] + sorted_.sum()

    few, many = (static.temp_bytes(f, jnp.ones((n, 1000))) for n in (10, 40))
    assert many - few >= 30_000 * XS.dtype.itemsize
    assert static.temp_bytes(lambda x: x, XS) == 0


def test_count_traces():
    f, count = static.count_traces(lambda x: x + 1)
    f = jax.jit(f)
    f(jnp.ones(2)), f(jnp.zeros(2))
    assert count() == 1
    f(jnp.ones(3))
    assert count() == 2


def test_deferred_gradient_keeps_weight_products_out_of_the_loop(optimized):
    """The claim that the reader was written for, at its smallest."""
    cell = cells.Elman(input_size=4, hidden_size=4)
    params = cell.init(jax.random.key(0))

    def loss(gradient, params, xs):
        return jnp.square(drivers.scan(cell, params, xs, gradient=gradient)[1]).sum()

    xs = jnp.ones((64, 2, 4))
    programs = [
        static.compiled(jax.grad(partial(loss, gradient)), params, xs)
        for gradient in ("deferred", "autodiff")
    ]
    shapes = [
        sum(
            f"[4,4]{{1,0}} {i.opcode}" in i.line
            for body in static.while_bodies(program).values()
            for i in body
            if i.opcode == "dot"
        )
        for program in programs
    ]
    assert shapes == [0, 1]
