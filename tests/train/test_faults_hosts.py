"""Two processes that train as one: stopped, killed, stuck; see ``test_faults.py``."""

import re
import shutil
import signal
import socket

import pytest

from rnn_jax.train import cli
from tests.train.faults import Training, compare_losses, leave_none, outcome, steps

for library in ("tyro", "tqdm"):
    pytest.importorskip(library)


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    leave_none()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(directory, *flags, **environment):
    """Two hosts with one device each."""
    port = free_port()
    environment |= {
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
        "JAX_NUM_PROCESSES": "2",
        "HEARTBEAT": "10",
    }
    return [
        Training(directory, *flags, **environment, JAX_PROCESS_ID=str(host)) for host in range(2)
    ]


@pytest.mark.slow
def test_two_hosts_are_stopped_killed_and_stuck_and_end_like_two_left_alone(tmp_path):
    for host in start(tmp_path / "whole"):
        host.end(cli.DONE)
    directory = tmp_path / "hunted"

    first, second = start(directory, PACE="0.05")
    first.read_until("step 5:")
    second.kill(signal.SIGTERM)  # and all stop after the same step
    stopped = [host.end(cli.INTERRUPTED) for host in (first, second)]
    newest = steps(directory)[-1]
    assert 5 < newest < 40
    assert f"stopped by SIGTERM after step {newest};" in stopped[0]
    assert f"stopped by SIGTERM after step {newest};" in stopped[1]

    first, second = start(directory, PACE="0.05")
    first.read_until(f"step {newest // 5 * 5 + 10}:")
    second.kill().end(-signal.SIGKILL)
    first.end(-signal.SIGABRT)  # JAX ends it, which would wait for ever
    shutil.copytree(directory, tmp_path / "alone")

    hosts = start(directory, "--stuck-after", "30", STUCK="35")
    said = [host.end(cli.STUCK, -signal.SIGABRT) for host in hosts]  # JAX may end the other
    assert cli.STUCK in [host.process.returncode for host in hosts]
    stuck = next(text for text in said if "stuck: for 30 s" in text)
    assert re.search(
        "nothing has come after step (3[5-9]|40); the last checkpoint is that of", stuck
    )
    assert "faults_program.py" in stuck and "in train" in stuck  # the stacks show where

    for host in start(directory):
        host.end(cli.DONE)
    assert outcome(directory) == outcome(tmp_path / "whole")

    Training(tmp_path / "alone").end(cli.DONE)  # where two hosts left off
    compare_losses(tmp_path / "alone", tmp_path / "whole", atol=5e-6)
