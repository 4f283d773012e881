"""Honest timing on a machine that is not quiet: interleaved rounds, paired ratios, an A/A control.

Absolute times drift with the machine's load; ratios of neighbours in one round do not. Each round
runs every contender once, in an order that is reversed every other round. A contender's time is
divided by the baseline's *of the same round*, and the quartiles of these ratios are reported. The
baseline is entered twice: a difference counts only beyond that of the baseline from itself.
"""

import gc
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

CONTROL = "A/A control"  # the baseline, entered a second time
PAUSE = 0.01  # seconds before each measurement
LONG = 0.3  # seconds of a call from which caches no longer count

PACKAGES = ("rnn_jax", "jax", "jaxlib", "numpy", "flax", "dm-haiku", "equinox", "keras", "torch")
VARIABLES = (
    *("XLA_FLAGS", "JAX_PLATFORMS", "JAX_ENABLE_X64", "NPROC", "OMP_NUM_THREADS"),
    *("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX", "LD_PRELOAD"),
)


class Program(NamedTuple):
    """Something to be timed, compiled before."""

    name: str
    call: Callable[[], Any]  # runs to the end
    compile_seconds: float | None = None
    temp_bytes: int | None = None  # beside arguments and results
    trace_seconds: float | None = None


class Ratio(NamedTuple):
    """Quartiles of the paired ratios of two programs' times."""

    low: float
    median: float
    high: float


def compile_program(name: str, f: Callable[..., Any], *args: Any) -> Program:
    """Compile a jittable function for its arguments, ahead of time."""
    begin = time.perf_counter()
    lowered = jax.jit(f).lower(*args)
    traced = time.perf_counter() - begin
    begin = time.perf_counter()
    compiled = lowered.compile()
    seconds = time.perf_counter() - begin
    memory = compiled.memory_analysis()
    temp_bytes = memory.temp_size_in_bytes if memory else None
    return Program(
        name, lambda: jax.block_until_ready(compiled(*args)), seconds, temp_bytes, traced
    )


def measure(
    programs: Sequence[Program],
    baseline: str,
    rounds: int,
    min_seconds: float = 0.02,
    clock: Callable[[], float] = time.perf_counter,
    pause: Callable[[float], Any] = time.sleep,
) -> dict[str, np.ndarray]:
    """Seconds of one call of each program and of the control, one value for each round.

    Args:
        programs: What to time.
        baseline: Name of the one that is entered twice.
        rounds: How often each is measured.
        min_seconds: Short programs are called several times in a row, at least this long.
        clock: Seconds since some moment.
        pause: Waits for so many seconds. Threads of the last contender (those of OpenMP spin for a
            while) go to sleep, and one call that does not count brings the caches back, of programs
            of less than ``LONG`` seconds.
    """
    again = next(p for p in programs if p.name == baseline)._replace(name=CONTROL)
    entries, calls, short = [*programs, again], {}, set()
    for program in entries:
        program.call()
        begin = clock()
        program.call()
        once = clock() - begin
        calls[program.name] = max(1, round(min_seconds / max(once, 1e-7)))
        if once < LONG:
            short.add(program.name)
    seconds: dict[str, list[float]] = {program.name: [] for program in entries}
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            for program in entries if number % 2 == 0 else entries[::-1]:
                pause(PAUSE)
                if program.name in short:
                    program.call()
                begin = clock()
                for _ in range(calls[program.name]):
                    program.call()
                seconds[program.name].append((clock() - begin) / calls[program.name])
    finally:
        gc.enable()
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(times: Mapping[str, np.ndarray], name: str, other: str) -> Ratio:
    """Time of one program in units of another's, round by round."""
    return Ratio(*(float(q) for q in np.quantile(times[name] / times[other], (0.25, 0.5, 0.75))))


def verdict(ratio: Ratio, control: Ratio) -> str:
    """``faster`` or ``slower`` if all of the middle half lies beyond the control's spread."""
    spread = max(abs(control.low - 1), abs(control.high - 1))
    if ratio.high < 1 - spread:
        return "faster"
    return "slower" if ratio.low > 1 + spread else "same"


class Usage(NamedTuple):
    """Processor time so far, in seconds."""

    at: float
    busy: float  # of all processes
    own: float  # of this one


def usage() -> Usage | None:
    """What the machine has worked since it started; None where /proc does not tell."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, *_ = (int(word) for word in words[1:])
    busy = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    times = os.times()
    return Usage(time.perf_counter(), busy, times.user + times.system)


def others(begin: Usage | None, end: Usage | None) -> float | None:
    """Cores that other processes kept busy in between: what disturbs a measurement."""
    if begin is None or end is None or end.at <= begin.at:
        return None
    work = (end.busy - begin.busy) - (end.own - begin.own)
    return round(max(work, 0.0) / (end.at - begin.at), 2)


def measure_quietly(
    measurement: Callable[[], Any], patience: float, quiet: float = 0.1, window: float = 2.0
) -> tuple[Any, float | None]:
    """Measure when the machine has nothing else to do, or when patience is at its end.

    Waits until other processes use fewer than ``quiet`` cores, measures, and measures again if they
    used more meanwhile, as long as ``patience`` seconds have not passed. What counts is the
    machine, never the result. Returns the last result, and the cores that others used meanwhile.
    """
    deadline = time.perf_counter() + patience
    while True:
        while time.perf_counter() < deadline:
            begin = usage()
            time.sleep(window)
            if (others(begin, usage()) or 0.0) < quiet:
                break
        begin = usage()
        result = measurement()
        disturbed = others(begin, usage())
        if (disturbed or 0.0) < quiet or time.perf_counter() >= deadline:
            return result, disturbed


def relative_error(a: Any, b: Any) -> float:
    """|a - b| / |b| in the Euclidean norm, in float64."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norm = float(np.linalg.norm(b))
    return float(np.linalg.norm(a - b)) / norm if norm else float(np.linalg.norm(a))


def environment() -> dict[str, Any]:
    """Machine, versions, flags and load: what a number means nothing without."""
    device = jax.devices()[0]
    return {
        "processor": _processor(),
        "cores": num_cores(),
        "device": f"{device.platform}: {device.device_kind}",
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "commit": _commit(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "load": load(),
    }


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> list[float] | None:
    """Mean number of waiting processes in the last 1, 5 and 15 minutes, where the system says."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        fields = dict(line.partition(":")[::2] for line in lines if ":" in line)
        names = {key.strip(): value.strip() for key, value in fields.items()}
        family = ", ".join(f"{k} {names[k]}" for k in ("cpu family", "model") if k in names)
        return f"{names['model name']} ({family})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit that last changed what is measured, with a + where files differ from it."""
    folder = Path(__file__).parent.parent
    code = ("--", "rnn_jax", "benchmarks/*.py")
    commands = (
        ["git", "log", "-1", "--abbrev=12", "--format=%h", *code],
        ["git", "status", "--porcelain", *code],
    )
    try:
        last, changed = (
            subprocess.run(c, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for c in commands
        )
        return (last + ("+" if changed else "")) or None
    except (OSError, subprocess.CalledProcessError):
        return None
