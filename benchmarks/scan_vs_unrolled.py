"""What a recurrent layer costs: scan, partly and fully unrolled loops, other libraries.

    python -m benchmarks.scan_vs_unrolled
    python -m benchmarks.scan_vs_unrolled --cells lstm --steps 256 --hidden-size 128 --out runs/long
    MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 python -m ...

Half an hour on 2 cores, most of it for compiling the fully unrolled loops
(``--unrolled-limit 0``: ten minutes). A table for each cell and mode goes to standard output;
report.md, results.json and picture.png go to ``--out``. The third command keeps glibc from giving
memory back to the system after every call, which costs JAX programs page faults; the setting is
recorded.
"""

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from benchmarks import contenders, harness, report
from benchmarks.contenders import Mode
from benchmarks.peers import Layer, jax_peers
from rnn_jax import drivers
from rnn_jax.data.errors import InputError
from rnn_jax.train import cli

BASELINE = "flax nnx.RNN"
OURS = "rnn_jax scan"


@dataclass(frozen=True)
class Config:
    out: Path = Path("runs/scan_vs_unrolled")  # where the report goes
    cells: tuple[Literal["lstm", "gru"], ...] = ("lstm", "gru")
    modes: tuple[Mode, ...] = ("forward", "training")  # training: gradient by weights and inputs
    steps: cli.Count = 128  # T
    batch_size: cli.Count = 32  # B
    input_size: cli.Count = 256  # D
    hidden_size: cli.Count = 256  # H
    rounds: cli.Count = 15  # measurements of each contender; 11 at least for a claim
    unroll: tuple[int, ...] = (2, 4, 8, 16)  # partly unrolled loops
    unrolled_limit: Annotated[float, cli.Range(0)] = 300.0  # most seconds for compiling a full one
    threads: cli.Natural = 0  # of torch; 0 for as many as cores, which is what JAX takes
    patience: cli.Weight = 0.0  # most seconds to wait, for each contest, until the machine is quiet
    seed: cli.Natural = 0
    smoke: bool = (
        False  # tiny sizes: seconds; shows that all contenders agree, not how fast they are
    )


TINY: dict[str, Any] = {
    "steps": 4,
    "batch_size": 2,
    "input_size": 3,
    "hidden_size": 4,
    "rounds": 3,
    "unroll": (2,),
}


def benchmark(config: Config) -> None:
    """Times forward and training passes of recurrent layers, side by side."""
    config = replace(config, **TINY) if config.smoke else config
    if not config.cells or not config.modes:
        raise InputError("--cells and --modes: name at least one each")
    if any(count < 2 for count in config.unroll):
        raise InputError(f"--unroll: {config.unroll} holds a number below 2")
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: cannot write to {config.out}: {error.strerror}") from None
    environment = harness.environment()
    contests = [contest(config, cell, mode) for cell in config.cells for mode in config.modes]
    document: dict[str, Any] = {
        "config": asdict(config),
        "environment": environment | {"load_after": harness.load()},
        "baseline": BASELINE,
        "contests": contests,
    }
    sizes = (
        f"T={config.steps} B={config.batch_size} D={config.input_size} H={config.hidden_size}, "
        f"float32, {config.rounds} rounds"
    )
    text = "\n".join(
        [
            f"{sizes}\n\n{describe(document['environment'])}\n",
            *(report.markdown(each, BASELINE) for each in contests),
            report.losses(contests, OURS),
        ]
    )
    print(text)
    (config.out / "report.md").write_text(text)
    report.write_json(config.out / "results.json", document)
    report.draw(config.out / "picture.png", contests, BASELINE, sizes)


def contest(config: Config, kind: str, mode: Mode) -> report.Contest:
    """All contenders for one cell and mode: compiled, checked to agree, timed."""
    sizes = (config.steps, config.batch_size, config.input_size, config.hidden_size)
    case = contenders.make_case(kind, *sizes, seed=config.seed)
    checker = contenders.Checker(mode, case)
    peers, left_out = jax_peers(case.cell)
    programs, errors = [], {}

    def enter(layer: Layer, program: harness.Program) -> None:
        programs.append(program)
        errors[layer.name] = checker.error(layer, program.call())

    for layer in [*contenders.own_layers(case.cell, config.unroll), *peers]:
        say(f"{kind} {mode}: compiling {layer.name}")
        enter(layer, contenders.jax_program(layer, mode, case))
    full = contenders.own_layer(case.cell, "rnn_jax unrolled", drivers.unrolled)
    say(f"{kind} {mode}: compiling {full.name}")
    found = compile_within(config.unrolled_limit, full, mode, case)
    if isinstance(found, str):
        left_out.append(found)
    else:
        enter(full, found)
    torch = contenders.torch_program(mode, case, config.threads or harness.num_cores())
    if isinstance(torch, str):
        left_out.append(torch)
    else:
        enter(*torch)
    say(f"{kind} {mode}: timing {len(programs)} contenders, load {harness.load()}")
    times, others = harness.measure_quietly(
        lambda: harness.measure(programs, BASELINE, config.rounds), config.patience
    )
    rows = report.make_rows(programs, errors, times, BASELINE, OURS)
    return report.Contest(kind, mode, config.steps, rows, tuple(left_out), others)


def compile_within(
    limit: float, layer: Layer, mode: Mode, case: contenders.Case
) -> harness.Program | str:
    """The compiled program, or why not: its compile time would be too long.

    A compilation cannot be interrupted, so it is tried on T/8, T/4 and T/2 steps first, and goes on
    as long as the next one, growing as from the last to this but at least twofold, stays within the
    limit.
    """
    if limit == 0:
        return f"{layer.name}: not asked for"
    before, expected = 0.0, 0.0
    for divisor in (8, 4, 2, 1):
        if expected > limit:
            return (
                f"{layer.name}: compiling takes about {expected:.0f} s, the limit is {limit:.0f} s"
            )
        part = case._replace(xs=case.xs[: max(case.xs.shape[0] // divisor, 1)])
        program = contenders.jax_program(layer, mode, part)
        seconds = program.compile_seconds or 0.0
        # Below a second it is the machine's load that shows, and no program grows with T cubed.
        growth = min(max(seconds / before, 2.0), 8.0) if before > 1 else 2.0
        before, expected = seconds, seconds * growth
    return program


def describe(environment: dict[str, Any]) -> str:
    """One paragraph on machine, versions, flags and load."""
    versions = ", ".join(f"{name} {found}" for name, found in environment["versions"].items())
    variables = ", ".join(f"{k}={v}" for k, v in environment["variables"].items()) or "none"
    return (
        f"{environment['processor']}, {environment['cores']} cores, {environment['device']}; "
        f"commit {environment['commit']}; {versions}; variables: {variables}; load average "
        f"{environment['load']} before, {environment['load_after']} after."
    )


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(cli.main("python -m benchmarks.scan_vs_unrolled", [benchmark], {"default": Config()}))
