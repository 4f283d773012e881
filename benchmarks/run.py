"""The benchmark suite: cells, sizes and contenders side by side, as one table and one picture.

    python -m benchmarks.run --suite smoke          # a minute: that all of them agree
    python -m benchmarks.run --suite cpu            # half an hour; it goes on where it stopped
    python -m benchmarks.run --suite gpu
    python -m benchmarks.run --suite aot            # compiled for devices that are not here
    python -m benchmarks.run --suite cpu --cells lstm --sizes char_lm --modes training

For every contest: time in units of the baseline's (flax nnx.RNN where it has the cell, else
``lax.scan`` over the step, written by hand), tokens a second, the share of the floor (the time of
the matrix products alone at the speed of a large one here), temporary memory, time to trace and to
compile, the error of the outputs, or the largest of the gradient's by weights and inputs, against
the plain scan in float64. Results are written after every contest; the same command again measures
only what is missing, and with nothing missing makes report and picture anew.
``python -m benchmarks.readme`` makes the README's tables of results.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, Literal

import jax

from benchmarks import aot, harness, report, suite, suite_report
from benchmarks.contenders import CELLS, Mode
from benchmarks.scan_vs_unrolled import say
from benchmarks.suite import BY_HAND, SIZES, SMOKE, Entry, Size, compare, entries
from rnn_jax.data.errors import InputError
from rnn_jax.train import cli

CellName: Any = Literal[tuple(CELLS)]
SizeName: Any = Literal[tuple(SIZES)]
ASKED = ("suite", "rounds", "threads")
FIXED = ("processor", "cores", "device", "versions", "commit", "variables")


@dataclass(frozen=True)
class Config:
    suite: Literal["smoke", "cpu", "gpu", "aot"] = "smoke"
    out: Path | None = None  # where the report goes; default runs/benchmarks/SUITE
    sizes: tuple[SizeName, ...] = ()  # default: those of the suite
    cells: tuple[CellName, ...] = tuple(CELLS)
    modes: tuple[Mode, ...] = ("training", "forward")  # training: gradient by weights and inputs
    rounds: cli.Count = 11  # measurements of each contender; 11 at least for a claim
    threads: cli.Natural = 0  # of torch; 0 for as many as cores, which is what JAX takes
    patience: cli.Weight = 0.0  # most seconds to wait, for each contest, until the machine is quiet
    minutes: cli.Weight = 0.0  # after so many no further contest begins; 0 for no limit


def run(config: Config) -> None:
    """Runs a suite of benchmarks, or what of it is missing, and writes its report."""
    out = config.out or Path("runs/benchmarks") / config.suite
    if config.suite == "aot":
        aot.compile_steps(aot.Config(out=out))
        return
    if config.suite == "gpu" and jax.default_backend() == "cpu":
        raise InputError("--suite gpu: JAX sees no GPU here; --suite aot compiles for one")
    if not config.cells or not config.modes:
        raise InputError("--cells and --modes: name at least one each")
    if config.suite == "smoke":
        config = replace(config, rounds=3)
    table = SMOKE if config.suite == "smoke" else SIZES
    wanted = entries(config.suite, config.sizes, config.cells, config.modes)
    if not wanted:
        raise InputError("--sizes: very_long is for min_gru alone; nothing is left to measure")
    if unknown := {entry.size for entry in wanted} - set(table):
        raise InputError(f"--sizes: the {config.suite} suite has no {', '.join(sorted(unknown))}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: cannot write to {out}: {error.strerror}") from None
    path = out / "results.json"
    document, deadline = begin(path, config), time.monotonic() + 60 * (config.minutes or inf)
    document["wanted"] += [list(e) for e in wanted if list(e) not in document["wanted"]]
    report.write_json(path, document)
    for number, entry in enumerate(wanted, 1):
        if list(entry) in [contest["entry"] for contest in document["contests"]]:
            continue
        if time.monotonic() > deadline:
            say(f"{config.minutes:g} minutes are over; the same command goes on from here")
            break
        say(f"{number} of {len(wanted)}: {' '.join(entry)}, load {harness.load()}")
        document["contests"].append(contest(entry, table[entry.size], config, document["peak"]))
        report.write_json(path, document)
        (out / "report.md").write_text(suite_report.text(json.loads(path.read_text())))
    document = json.loads(path.read_text())
    text = suite_report.text(document)
    (out / "report.md").write_text(text)
    suite_report.draw(out / "picture.png", document)
    print(text)


def begin(path: Path, config: Config) -> dict[str, Any]:
    """What was measured before on this machine at this commit, or nothing yet."""
    environment = harness.environment()
    if path.exists():
        try:
            found: dict[str, Any] = json.loads(path.read_text())
            known = found["environment"] | {name: found["config"][name] for name in ASKED}
            _ = [contest["entry"] for contest in found["contests"]], found["peak"], found["wanted"]
        except (ValueError, KeyError, TypeError):
            raise InputError(f"--out: {path} holds no results of this suite") from None
        now = environment | {name: getattr(config, name) for name in ASKED}
        if differ := [name for name in (*ASKED, *FIXED) if known.get(name) != now[name]]:
            raise InputError(
                f"--out: {path} was measured with other {', '.join(differ)}; give another --out"
            )
        return found
    return {
        "suite": config.suite,
        "command": "python -m benchmarks.run " + " ".join(sys.argv[1:]),
        "config": asdict(config),
        "environment": environment,
        "peak": suite.peak(),
        "compile_by_steps": suite.growth(),
        "wanted": [],
        "contests": [],
    }


def contest(entry: Entry, size: Size, config: Config, speed: float) -> dict[str, Any]:
    """One entry measured: what each contender took, beside the floor."""
    threads = config.threads or harness.num_cores()
    programs, errors, left_out = compare(entry, size, threads)
    names = [program.name for program in programs]
    baseline = "flax nnx.RNN" if "flax nnx.RNN" in names else BY_HAND
    times, others = harness.measure_quietly(
        lambda: harness.measure(programs, baseline, config.rounds), config.patience
    )
    rows = report.make_rows(programs, errors, times, baseline, "rnn_jax scan")
    tokens, floor = size.steps * size.batch_size, suite.flops(size, entry.cell, entry.mode) / speed

    def speeds(row: report.Row) -> dict[str, float]:
        fastest = min(row.seconds)
        return {"tokens_per_second": tokens / fastest, "share_of_floor": floor / fastest}

    return {
        "entry": list(entry),
        "size": size._asdict(),
        "tokens": tokens,
        "floor_seconds": floor,
        "baseline": baseline,
        "rows": [row._asdict() | speeds(row) for row in rows],
        "left_out": left_out,
        "others": others,
        "load": harness.load(),
    }


if __name__ == "__main__":
    sys.exit(cli.main("python -m benchmarks.run", [run], {"default": Config()}))
