"""What is read from a compiler's listing of a kernel, and the table made of it."""

from pathlib import Path

from benchmarks import fused_kernel

# As libtpu writes final bundles: one before the loops, three in the outer one, two in the inner.
LISTING = """= control target key start
LB: loop body
= control target key end

     0   :  { %s1_s0 = inlined_call_operand.vmem [shape: bf16[1024,4096]] }
   0x1 LB: > { %s2 = sadd.s32 1, %s3  ;;  %p0 = scmp.ge.s32.totalorder %s2, 32 }
   0x2   : > { %393 = sbr.rel (%p0) target = $region44 }
   0x3 LB: >> { %v1 = vld [vmem:[%s1] sm:$0xff] }
   0x4   : >> {}
   0x5 PF: > {}
"""


def test_bundles_are_counted_by_loop():
    assert fused_kernel.bundles(LISTING) == (2, 3)


def test_table_compares_with_the_peer():
    config = fused_kernel.Config(out=Path("unused"), batch_size=64, hidden_size=1024)
    rows = [
        fused_kernel.Row("v5e", "flax", 20.0, 2**21, 40e6, {}, 40e6),
        fused_kernel.Row("v5e", "fused", 90.0, 2**20, 8e6, {"forward": (9, 1)}, 10e6),
    ]
    text = fused_kernel.describe(config, {"versions": {"jax": "1"}, "commit": "c"}, rows)
    assert "| v5e | drivers.fused | 1 | 8.0 | 9 | 10.0 | 0.25 | 90 |" in text
    assert "moves 1.4 MiB, one of the backward kernel 2.1" in text  # 22 and 34 bytes of each unit
