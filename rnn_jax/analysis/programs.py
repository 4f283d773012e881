"""What a compiled program says about itself without running: what stands inside its loops."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_HEADER = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")
_CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|true_computation|false_computation|branch_computations"
    r"|called_computations)=(\{[^}]*\}|%?[\w.\-]+)"
)
_BODY = re.compile(r"\bbody=%?([\w.\-]+)")
_NAME = re.compile(r"[\w.\-]+")
_MATRIX_LIBRARY = re.compile(r'custom_call_target="[^"]*(?:matmul|gemm)[^"]*"')


class Instruction(NamedTuple):
    """One line of optimised HLO."""

    opcode: str
    line: str
    called: tuple[str, ...]  # names of the computations that it runs


def computations(text: str) -> dict[str, list[Instruction]]:
    """The instructions of every computation of an optimised HLO module, by name."""
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for line in text.splitlines():
        header = None if line.startswith(" ") else _HEADER.match(line)
        if header:
            current = found.setdefault(header[1], [])
        elif line.startswith(" ") and " = " in line:
            called = tuple(n for m in _CALLED.finditer(line) for n in _NAME.findall(m[1]))
            current.append(Instruction(_opcode(line), line.strip(), called))
    return found


def _opcode(line: str) -> str:
    """``%a = (f32[2], s32[]) while(%b)`` -> ``while``: the type may be a tuple, with spaces."""
    rest = line.split(" = ", 1)[1]
    if rest.startswith("("):
        depth = 0
        for place, letter in enumerate(rest):
            depth += (letter == "(") - (letter == ")")
            if depth == 0:
                rest = "tuple" + rest[place + 1 :]
                break
    return rest.split(" ", 1)[1].strip().split("(", 1)[0]


def while_bodies(program: Any) -> dict[str, list[Instruction]]:
    """All that runs inside each while loop, by the name of its body, called computations included.

    Args:
        program: What ``jax.jit(f).lower(...).compile()`` returns, or its text.

    Example:
        >>> import jax
        >>> loop = jax.jit(lambda n: jax.lax.while_loop(lambda i: i < n, lambda i: i + 1, 0))
        >>> len(while_bodies(loop.lower(3).compile()))
        1
    """
    found = computations(program if isinstance(program, str) else program.as_text())

    def reached(name: str, seen: set[str]) -> Iterator[Instruction]:
        if name in found and name not in seen:
            seen.add(name)
            for instruction in found[name]:
                yield instruction
                for other in instruction.called:
                    yield from reached(other, seen)

    bodies = {m[1] for lines in found.values() for i in lines for m in _BODY.finditer(i.line)}
    return {name: list(reached(name, set())) for name in sorted(bodies)}


def count_in_while(program: Any, opcode: str) -> int:
    """How many instructions of a kind stand inside while loops, each counted once, not per step.

    ``"all-reduce"`` finds the asynchronous form too, ``"dot"`` also calls of a matrix library.
    What stands there is paid for at every step: a sum over devices is best after the loop.

    Args:
        program: What ``jax.jit(f).lower(...).compile()`` returns, or its text.
        opcode: As XLA prints it.

    Example:
        >>> import jax
        >>> loop = jax.jit(lambda n: jax.lax.while_loop(lambda i: i < n, lambda i: i + 1, 0))
        >>> count_in_while(loop.lower(3).compile(), "all-reduce")
        0
    """

    def is_one(instruction: Instruction) -> bool:
        if opcode == "dot" and instruction.opcode == "custom-call":
            return _MATRIX_LIBRARY.search(instruction.line) is not None
        return instruction.opcode in (opcode, f"{opcode}-start")

    lines = {i.line for body in while_bodies(program).values() for i in body if is_one(i)}
    return len(lines)
