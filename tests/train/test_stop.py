"""A signal stops training between two steps; a watchdog ends what never comes to a next step."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rnn_jax.train import cli
from rnn_jax.train.stop import StopSignal
from rnn_jax.train.watchdog import Watchdog


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_noted_and_the_second_does_as_before(number):
    came = []
    before = signal.signal(number, lambda *_: came.append("second"))
    try:
        with StopSignal() as stop:
            assert not stop.requested(1) and not stop
            signal.raise_signal(number)
            assert stop.requested(2) and stop and stop.name == number.name
            signal.raise_signal(number)
        assert came == ["second"]
        with StopSignal() as stop:
            pass
        signal.raise_signal(number)
        assert came == ["second"] * 2 and not stop
    finally:
        signal.signal(number, before)


def test_a_watchdog_bites_only_if_nothing_comes_for_so_long():
    stuck = threading.Event()
    with Watchdog(1.0, on_stuck=stuck.set) as watchdog:
        for step in range(15):
            time.sleep(0.1)
            watchdog.beat(step)
        assert not stuck.is_set()
        assert stuck.wait(10)
    with Watchdog(float("inf"), on_stuck=stuck.clear):
        assert stuck.is_set()


PROGRAM = """
import time
from rnn_jax.train.watchdog import Watchdog
def evaluate():
    time.sleep(1000)
with Watchdog(0.5, lambda: "the last checkpoint is that of step 5") as watchdog:
    watchdog.beat(7)
    evaluate()
"""


@pytest.mark.slow
def test_a_stuck_process_says_where_and_leaves():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert ended.returncode == cli.STUCK
    *stacks, line = ended.stderr.splitlines()
    assert "stuck: for 0.5 s nothing has come after step 7; the last checkpoint is that of" in line
    assert any("in evaluate" in stack for stack in stacks)
