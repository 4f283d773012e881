"""What a compiled program is made of, counted as often as it runs."""

import re
from collections.abc import Callable
from math import isnan, nan

from rnn_jax.analysis import programs

COLLECTIVES = (
    *("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all"),
    "collective-broadcast",
)
# What starts no kernel of its own on a GPU.
FREE = frozenset(
    ("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "call")
    + ("conditional", "after-all", "partition-id", "replica-id")
)


def collectives(text: str) -> dict[str, tuple[int, int]]:
    """How many there are of each kind, and how many of them in while loops."""
    lines = [i for part in programs.computations(text).values() for i in part]
    found = {}
    for kind in COLLECTIVES:
        if number := sum(i.opcode in (kind, f"{kind}-start") for i in lines):
            found[kind] = (number, programs.count_in_while(text, kind))
    return found


def estimated_cycles(instruction: programs.Instruction) -> float:
    """What a TPU's compiler has written beside an instruction."""
    _, found, rest = instruction.line.partition('"estimated_cycles":"')
    return float(rest.split('"', 1)[0]) if found else 0.0


def is_kernel(instruction: programs.Instruction) -> float:
    """1 for what a GPU is started for."""
    return float(instruction.opcode not in FREE and not instruction.opcode.endswith("-done"))


def total(text: str, weight: Callable[[programs.Instruction], float]) -> float | None:
    """Sum over all that a program runs, loops as often as they go round; None if one won't say."""
    found = programs.computations(text)

    def of(name: str) -> float:
        return sum(weight(i) + times(i) * sum(map(of, inside(i))) for i in found.get(name, ()))

    def inside(i: programs.Instruction) -> tuple[str, ...]:
        return i.called if i.opcode in ("while", "call", "conditional") else ()

    def times(i: programs.Instruction) -> float:
        return trips(i, found) if i.opcode == "while" else 1

    (entry,) = (line.split()[1].lstrip("%") for line in text.splitlines() if line[:6] == "ENTRY ")
    result = of(entry)
    return None if isnan(result) else result


def trips(loop: programs.Instruction, found: dict[str, list[programs.Instruction]]) -> float:
    """How often a while loop goes round, NaN if it does not say.

    XLA writes it beside the loop for some devices; for others the loop's condition compares its
    counter, which for loops of known length goes from 0 by 1, with a constant.
    """
    if known := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.line):
        return float(known[1])
    condition = re.search(r"condition=%?([\w.\-]+)", loop.line)
    lines = [i.line for i in found[condition[1]]] if condition else []
    last = next((line for line in lines if line.startswith("ROOT")), "")
    limit = re.search(r"compare\(.*%([\w.\-]+)\), direction=LT", last)
    named = limit and re.compile(rf"%{re.escape(limit[1])} = s32\[\].* constant\((\d+)\)")
    constant = named and next((m for line in lines if (m := named.match(line))), None)
    return float(constant[1]) if constant else nan
