"""What the fault tests share: to start, stop and compare runs of ``faults_program.py``."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from rnn_jax.train import read_metrics

PROGRAM = Path(__file__).with_name("faults_program.py")
DEADLINE = 120  # seconds for anything
STARTED = []


def leave_none():
    """Ends what a test that has failed left running."""
    while STARTED:
        STARTED.pop().give_up()


class Training:
    """A run of the program in a process of its own.

    Args:
        directory: its run directory; the compilation cache is shared by all beside it.
        flags: of the program.
        python: the interpreter.
        wrapper: a command before it.
        environment: what goes wrong, and settings of JAX.
    """

    def __init__(self, directory, *flags, python=sys.executable, wrapper=(), **environment):
        self.directory = Path(directory)
        settings = {
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": "1",
            "NPROC": "8",
            # Not the suite's flags: a flag that another version does not know would end it, and the
            # older emitter's sums depend on the number of cores that it compiles for.
            "XLA_FLAGS": "",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling takes most of the time
            "JAX_COMPILATION_CACHE_DIR": str(self.directory.parent / "cache"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        }
        self.errors = self.directory.parent / f"{self.directory.name}-{time.monotonic_ns()}.err"
        with open(self.errors, "w") as errors:
            self.process = subprocess.Popen(
                [*wrapper, python, str(PROGRAM), "--run-dir", str(directory), *flags],
                env=os.environ | settings | environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.said = ""
        STARTED.append(self)

    def read_until(self, text):
        """Reads what it prints until a line holds the text."""
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return self
        raise AssertionError(f"{text!r} was not said: {self.said}{self.errors.read_text()[-3000:]}")

    def wait_for_a_save(self):
        """Returns while a checkpoint is being written."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.unfinished():
                return self
            time.sleep(0.001)
        raise AssertionError("no checkpoint was being written")

    def unfinished(self):
        return list(self.directory.glob("checkpoints/*tmp*"))

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self

    def end(self, *statuses):
        """Waits for the end, which must have one of these; returns what it said."""
        try:
            self.said += self.process.communicate(timeout=DEADLINE)[0]
        finally:
            self.give_up()
        errors = self.errors.read_text()
        assert self.process.returncode in statuses, self.said + errors[-3000:]
        return self.said + errors

    def give_up(self):
        self.process.kill()
        self.process.communicate()


def steps(directory):
    return sorted(
        int(path.name) for path in directory.glob("checkpoints/*") if path.name.isdecimal()
    )


def outcome(directory):
    """All that must not depend on what happened on the way: state, best step, metrics, samples."""
    metas = {
        step: json.loads((directory / f"checkpoints/{step}/meta/metadata").read_text())["meta"]
        for step in steps(directory)
    }
    best = min((meta["loss"], step) for step, meta in metas.items() if meta["loss"] is not None)
    newest = metas[max(metas)]
    texts = [(directory / name).read_bytes() for name in ("metrics.jsonl", "samples.txt")]
    return max(metas), newest["crc32"], newest["notes"], best, *texts


def contents(directory):
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def largest_file(directory):
    files = (path for path in directory.rglob("*") if path.is_file())
    return max(files, key=lambda path: path.stat().st_size)


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[len(content) // 2] ^= 1
    elif how == "truncate":
        content = content[: len(content) // 2]
    elif how == "zero":
        content = bytearray(len(content))
    path.write_bytes(bytes(content))
    if how == "delete":
        path.unlink()


def compare_losses(directory, other, atol):
    found, expected = ([line["loss"] for line in read_metrics(d) if "loss" in line]
                       for d in (directory, other))  # fmt: skip
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
