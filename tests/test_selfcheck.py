"""The self-check says what holds on this machine, and notices what does not."""

import subprocess
import sys
from pathlib import Path

import jax
import pytest

from rnn_jax import selfcheck

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_it_finds_this_machine_sound():
    command = [sys.executable, "-m", "rnn_jax.selfcheck"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == 7 and all(line.startswith("ok ") for line in lines[1:])
    assert "jit: 0 sums over devices in the time loop" in run.stdout


def test_a_wrong_gradient_and_a_crash_are_noticed(monkeypatch, capsys, standard_promotion):
    def gradients(mode, num_devices):
        if mode == "pmap":
            raise RuntimeError("no such thing here")
        return {"w": jax.numpy.full(3, 1.0 if mode != "shard_map" else 8.0)}, None

    monkeypatch.setattr(selfcheck, "after_one_step", gradients)
    assert selfcheck.main((selfcheck.check_parallel,)) == 1
    out = capsys.readouterr().out
    assert "ok      jit, 8 x cpu" in out
    assert "FAILED  shard_map, 8 x cpu: one device's step to 7.0e+00: more than" in out
    assert "FAILED  check_parallel: RuntimeError: no such thing here" in out
