"""What was to be reached, as ratios measured side by side, and what was: the README's tables."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.suite_report import OURS, is_peer

Results = Mapping[str, Any]  # documents by name: cpu, gpu, aot, fused_kernel, bf16_gradient, ...
NOT_MEASURED, COMPILED = "not measured: no such device was at hand", "compiled only"
# Why a peer is faster, by (whose loop it is, size or pass), for the list of its wins.
REASONS = {
    ("oneDNN", "small"): "all steps are one kernel of oneDNN (`mkldnn_rnn_layer` in torch's "
    "profile); a step is a few microseconds of arithmetic, and XLA's loop spends as much on "
    "starting its operations",
    ("oneDNN", "training"): "all steps are one kernel of oneDNN forward and one back; ours are "
    "XLA's products, with copies of state, gates and outputs between them",
    ("oneDNN", "forward"): "all steps are one kernel of oneDNN; ours are XLA's products, with "
    "copies of state and outputs between them",
    ("torch", "small"): "torch's loop is in C++, with MKL's products, which at this size cost less "
    "to start than XLA's operations",
    ("torch", "training"): "torch's loop calls MKL's products, which at this shape are presumably "
    "faster than XLA's",
    ("torch", "forward"): "torch's loop calls MKL's products, which at this shape are presumably "
    "faster than XLA's",
    ("cuDNN", ""): "cuDNN runs many steps in one kernel, XLA several kernels a step",
    ("jax", "small"): "the loop over chunks of steps has a fixed cost, which at this size shows",
    ("jax", "training"): "products are all at this size, and the deferred gradient has as many; "
    "its copies of states and gates come on top",
    ("jax", "forward"): "the loop over chunks of steps is made for the gradient; forward alone it "
    "gains nothing over a plain one",
}
SMALL = 256  # units, below which a size is small


class Goal(NamedTuple):
    """One row of the table."""

    where: str
    against: str
    goal: str
    measured: str
    met: str


class Ratios(NamedTuple):
    """Our default in units of another, one value for each contest."""

    time: list[float]
    memory: list[float]
    faster: int  # contests in which we are, beyond the A/A spread, and in which we are slower
    slower: int


def is_torch(name: str) -> bool:
    """Whether a contender is PyTorch's."""
    return name.startswith("torch")


def is_jax(name: str) -> bool:
    """Whether a contender is another JAX library's loop; cuDNN is nobody's."""
    return is_peer(name) and not is_torch(name) and "cuDNN" not in name


def kind_of_win(name: str, mode: str, units: int) -> tuple[str, str]:
    """The key of the reason for which a peer is faster.

    Example:
        >>> kind_of_win("torch.nn.GRU", "training", 512), kind_of_win("torch.nn.LSTM", "x", 32)
        (('torch', 'training'), ('oneDNN', 'small'))
    """
    if "cuDNN" in name:
        return "cuDNN", ""
    loops = {"torch.nn.LSTM": "oneDNN"}
    library = loops.get(name, "torch" if is_torch(name) else "jax")
    return library, "small" if units < SMALL else mode


def fastest(contest: Mapping[str, Any], kind: Callable[[str], bool]) -> Any:
    """The row of a kind that our default compares worst with; None without any."""
    rows = [row for row in contest["rows"] if kind(row["name"])]
    return max(rows, key=lambda row: row["ours"]["median"], default=None)


def memory(contest: Mapping[str, Any], kind: Callable[[str], bool]) -> float | None:
    """Our temporary memory in units of the smallest of that kind's."""
    (ours,) = (row["temp_bytes"] for row in contest["rows"] if row["name"] == OURS)
    theirs = [row["temp_bytes"] for row in contest["rows"] if kind(row["name"])]
    known = [number for number in theirs if number]
    return ours / min(known) if known and ours is not None else None


def ratios(
    contests: list[Mapping[str, Any]], kind: Callable[[str], bool], modes: str, units: int = 0
) -> Ratios:
    """Over contests of those modes and at least so many units, against the best of the kind."""
    wanted = [
        contest
        for contest in contests
        if contest["entry"][2] in modes and contest["size"]["hidden_size"] >= units
    ]
    rows = [row for contest in wanted if (row := fastest(contest, kind))]
    verdicts = [row["ours_verdict"] for row in rows]
    found = (memory(contest, kind) for contest in wanted)
    return Ratios(
        [row["ours"]["median"] for row in rows],
        [value for value in found if value is not None],
        verdicts.count("faster"),
        verdicts.count("slower"),
    )


def span(values: list[float]) -> str:
    """The values' range.

    Example:
        >>> span([0.5, 0.71, 0.623]), span([0.5])
        ('0.50 to 0.71', '0.50')
    """
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def within(values: list[float], limit: float) -> str:
    """In how many contests the limit is kept.

    Example:
        >>> within([0.5, 0.8], 0.7), within([0.5], 0.7), within([0.8], 0.7)
        ('in 1 of 2', 'yes', 'no')
    """
    number = sum(value <= limit for value in values)
    return {len(values): "yes", 0: "no"}.get(number, f"in {number} of {len(values)}")


def goals(results: Results) -> list[Goal]:
    """Every goal with what was measured; what was not says so."""
    return [
        *_suite(results.get("cpu"), "CPU", 0.7, 1.0, 256),
        *_suite(results.get("gpu"), "H200", 0.25, 1.0, 0),
        *_tpu(results.get("fused_kernel")),
        _bf16(results.get("bf16_gradient")),
        _compile_time(results.get("cpu")),
        _long(results),
    ]


def _suite(
    document: Any, device: str, jax_limit: float, torch_limit: float, units: int
) -> Iterator[Goal]:
    on_gpu = device != "CPU"
    peers = ", ".join(["flax nnx and linen", "haiku", "equinox", "keras"])
    aim = f"time <= {jax_limit}" + ("" if on_gpu else ", temporary memory <= 0.3")
    with_torch = "cuDNN through torch" if on_gpu else "torch, as many threads"
    modes, at = ("training", "") if on_gpu else ("training and forward", f" at H >= {units}")
    torch_aim = f"time <= {torch_limit}{at}"
    contests = document["contests"] if document else []
    nothing = NOT_MEASURED if on_gpu else "not measured"
    jax_found = ratios(contests, is_jax, "training")
    if not jax_found.time:
        yield Goal(f"{device}, training", f"the best of {peers}", aim, nothing, "-")
    else:
        measured, met = span(jax_found.time), within(jax_found.time, jax_limit)
        if not on_gpu and jax_found.memory:
            measured = f"time {measured}, memory {span(jax_found.memory)}"
            met = f"time {met}, memory {within(jax_found.memory, 0.3)}"
        yield Goal(f"{device}, training", f"the best of {peers}", aim, measured, met)
    found = ratios(contests, is_torch, modes, units)
    if not found.time:
        yield Goal(f"{device}, {modes}", with_torch, torch_aim, nothing, "-")
        return
    beyond = f"; beyond the A/A spread faster in {found.faster}, slower in {found.slower}"
    measured, met = span(found.time) + beyond, within(found.time, torch_limit)
    yield Goal(f"{device}, {modes}", with_torch, torch_aim, measured, met)


def _tpu(document: Any) -> Iterator[Goal]:
    for driver, limit in (("scan", 0.5), ("fused", 0.3)):
        where, aim = f"TPU, training, `drivers.{driver}`", f"cycles <= {limit}"
        if not document:
            yield Goal(where, "flax nnx", aim, NOT_MEASURED, "-")
            continue
        cycles = {(row["target"], row["name"]): row["cycles"] for row in document["rows"]}
        found = {t: cycles[t, driver] / cycles[t, "flax"] for t, n in cycles if n == driver}
        shown = ", ".join(f"{chip} {value:.2f}" for chip, value in found.items())
        met = within(list(found.values()), limit)
        yield Goal(where, "flax nnx", aim, f"{COMPILED}: {shown}", met)


def _bf16(document: Any) -> Goal:
    where, against, aim = "bf16 gradient, T=2048", "float64", "error <= 0.5 %"
    rows = [row for row in (document or {"rows": []})["rows"] if row["steps"] == 2048]
    worst = {row["name"]: 0.0 for row in rows}
    for row in rows:
        worst[row["name"]] = max(worst[row["name"]], *row["errors"].values())
    if OURS not in worst:
        return Goal(where, against, aim, "not measured", "-")
    shown = f"{100 * worst[OURS]:.2f} %"
    others = [value for name, value in worst.items() if is_jax(name)]
    if others:
        shown += f" (flax nnx {100 * max(others):.0f} %)"
    return Goal(where, against, aim, shown, within([worst[OURS]], 0.005))


def _compile_time(document: Any) -> Goal:
    where, against, aim = "compile time", "T", "constant"
    if not document:
        return Goal(where, against, aim, "not measured", "-")
    (short, first), *_, (long, last) = document["compile_by_steps"].items()
    shown = f"T={long} takes {last / first:.2f} of T={short}"
    return Goal(where, against, aim, shown, within([last / first], 1.5))


def _long(results: Results) -> Goal:
    where, against = "long T, diagonal state", "own loop"
    aim = "parallel in time is faster from T of about 1000 on a GPU"
    lines = (results.get("parallel_in_time") or {"lines": []})["lines"]
    found = [
        line["to_scan"]["median"]
        for line in lines
        if (line["cell"], line["name"]) == ("min_gru", "associative") and line["num_steps"] >= 1000
    ]
    shown = f"; on one CPU core, where all work is paid for, {span(found)}" if found else ""
    return Goal(where, against, aim, NOT_MEASURED + shown, "-")
