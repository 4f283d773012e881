"""Two real processes with two devices each train as one device does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnn_jax.train import parallel

PROGRAM = Path(__file__).parent / "hosts.py"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.slow
def test_two_hosts_train_as_one():
    def start(host: int, num_hosts: int, port: int, num_devices: int) -> subprocess.Popen:
        settings = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(num_devices), "NPROC": "8"}
        command = [sys.executable, str(PROGRAM), str(host), str(num_hosts), str(port)]
        return subprocess.Popen(
            command, env=os.environ | settings, stdout=subprocess.PIPE, text=True
        )

    def losses(process: subprocess.Popen) -> dict[str, list[float]]:
        lines = [line.split() for line in process.communicate(timeout=120)[0].splitlines()]
        assert process.returncode == 0
        ours = [line for line in lines if line[0] in ("jit", "shard_map")]  # Gloo speaks up, too
        return {mode: list(map(float, values)) for mode, *values in ours}

    alone = losses(start(0, 1, free_port(), 1))
    port = free_port()
    both = [start(host, 2, port, 2) for host in range(2)]
    try:
        for process in both:
            found = losses(process)
            for mode in ("jit", "shard_map"):
                np.testing.assert_allclose(found[mode], alone["jit"], rtol=1e-5)
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_bad_hosts_are_named():
    with pytest.raises(ValueError, match="num_hosts=2, host=2: give all three, hosts counted"):
        parallel.join_hosts("localhost:1", 2, 2)
