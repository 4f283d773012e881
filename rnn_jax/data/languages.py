"""Strings of small formal languages, for networks that are to be automata."""

from typing import NamedTuple

import numpy as np

REBER = "BTPSXVE"  # the symbols of Reber strings, in the order of their inputs
SYMBOLS = {"parity": "01", "reber": REBER}  # of the languages that a network may learn
# Node of the grammar -> (symbol, next node), each with equal probability; 7 is the end.
REBER_GRAPH = {
    0: (("B", 1),),
    1: (("T", 2), ("P", 3)),
    2: (("S", 2), ("X", 4)),
    3: (("T", 3), ("V", 5)),
    4: (("X", 3), ("S", 6)),
    5: (("P", 4), ("V", 6)),
    6: (("E", 7),),
}


class Examples(NamedTuple):
    """Some sequences side by side, batch-major; padding is zero."""

    inputs: np.ndarray  # (B, T, D) float32
    targets: np.ndarray  # (B, T) int32 classes, or float32 numbers (adding)
    asked: np.ndarray  # (B, T) bool: the steps whose target counts in the loss
    scored: np.ndarray  # (B, T) bool: those of them that need the memory
    lengths: np.ndarray  # (B,) int32


def reber_string(
    rng: np.random.Generator, *, embedded: bool = False, longest: int | None = None
) -> str:
    """A string of the Reber grammar, or an embedded one: B, T or P, a string, the same again, E.

    Args:
        rng: Chooses at each node.
        embedded: Whether the string stands between two symbols that must be the same.
        longest: Longer ones are drawn again.

    Raises:
        ValueError: If all are longer.

    Example:
        >>> reber_string(np.random.default_rng(0))
        'BPVPXTTTTVVE'

    References:
        Reber, Implicit learning of artificial grammars, 1967.
        Hochreiter and Schmidhuber, Long short-term memory, 1997 (embedded).
    """
    least = 9 if embedded else 5
    if longest is not None and longest < least:
        raise ValueError(f"longest must be at least {least}, got {longest}.")
    while True:
        arm, node, string = "TP"[rng.integers(2)], 0, ""
        while node in REBER_GRAPH:
            choices = REBER_GRAPH[node]
            symbol, node = choices[rng.integers(len(choices))]
            string += symbol
        string = f"B{arm}{string}{arm}E" if embedded else string
        if longest is None or len(string) <= longest:
            return string


def reber_sets(string: str) -> list[int]:
    """After each symbol of a Reber string: which may come next, as a sum of 2^k over ``REBER``.

    Example:
        >>> reber_sets("BTXSE")  # after B: T or P
        [6, 24, 24, 64, 0]
    """
    node, sets = 0, []
    for symbol in string:
        node = dict(REBER_GRAPH[node])[symbol]
        sets.append(sum(2 ** REBER.index(after) for after, _ in REBER_GRAPH.get(node, ())))
    return sets


def set_name(which: int, symbols: str) -> str:
    """A set of symbols, given as a sum of 2^k, in words; "" for what is below 0.

    Example:
        >>> set_name(6, REBER), set_name(-1, REBER)
        ('T P', '')
    """
    return "" if which < 0 else " ".join(s for k, s in enumerate(symbols) if which >> k & 1)


def next_symbols(strings: list[str], length: int) -> Examples:
    """Strings over ``REBER`` as inputs, with the symbol that follows as the target of each.

    Example:
        >>> next_symbols(["BTXSE"], length=5).targets.tolist()  # X S E after T X S; B is the first
        [[1, 4, 3, 6, 0]]
    """
    shape = (len(strings), length)
    tokens, lengths = np.zeros(shape, np.int32), np.array([len(s) - 1 for s in strings], np.int32)
    inputs, targets = np.zeros((*shape, len(REBER)), np.float32), np.zeros(shape, np.int32)
    for row, string in enumerate(strings):
        tokens = np.array([REBER.index(symbol) for symbol in string])
        inputs[row, np.arange(len(string) - 1), tokens[:-1]] = 1
        targets[row, : len(string) - 1] = tokens[1:]
    at = np.arange(length)
    return Examples(inputs, targets, at < lengths[:, None], at == lengths[:, None] - 2, lengths)


def language_strings(
    name: str, rng: np.random.Generator, size: int, length: int
) -> tuple[Examples, np.ndarray]:
    """Strings to learn a language from, and what a network that has learnt it allows at each step.

        parity    bits, one-hot, and as targets the parity so far
        reber     Reber strings of at most ``length`` symbols, and as targets the next one

    Args:
        name: Of the language.
        rng: Draws the strings.
        size: How many, B.
        length: Of the longest.

    Returns:
        The strings, and the set of right targets (B, T) as a sum of 2^k over ``SYMBOLS[name]``.

    Raises:
        ValueError: If the strings would be too short.

    Example:
        >>> batch, sets = language_strings("parity", np.random.default_rng(0), size=1, length=4)
        >>> batch.inputs[0].argmax(-1).tolist(), batch.targets[0].tolist(), sets[0].tolist()
        ([1, 1, 1, 0], [1, 0, 1, 1], [2, 1, 2, 2])
    """
    if name == "parity":
        digits = rng.integers(0, 2, (size, length))
        targets = np.bitwise_xor.accumulate(digits, axis=1).astype(np.int32)
        asked, inputs = np.ones(targets.shape, bool), np.eye(2, dtype=np.float32)[digits]
        lengths = np.full(size, length, np.int32)
        return Examples(inputs, targets, asked, asked, lengths), 2**targets
    strings = [reber_string(rng, longest=length) for _ in range(size)]
    sets = np.zeros((size, length - 1), np.int64)
    for row, string in enumerate(strings):
        sets[row, : len(string) - 1] = reber_sets(string)[:-1]
    return next_symbols(strings, length - 1), sets


def bits(number: int, length: int) -> np.ndarray:
    """Binary digits, the lowest first.

    Example:
        >>> bits(6, length=4).tolist()
        [0, 1, 1, 0]
    """
    return np.frombuffer(f"{number:0{length}b}"[::-1].encode(), np.uint8) - ord("0")


def parity_string(rng: np.random.Generator, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Bits (n, 1), n <= longest, and the parity so far after each (n,).

    Example:
        >>> digits, parities = parity_string(np.random.default_rng(0), longest=9)
        >>> digits[:4, 0].tolist(), parities[:4].tolist()
        ([1, 1, 0, 0], [1, 0, 0, 0])
    """
    length = int(rng.integers(1, longest + 1))
    digits = rng.integers(0, 2, length)
    return digits[:, None], np.bitwise_xor.accumulate(digits)


def sum_string(rng: np.random.Generator, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """The binary digits of two numbers (n, 2), the lowest first, and those of their sum (n,).

    Example:
        >>> numbers, total = sum_string(np.random.default_rng(0), longest=9)
        >>> (2 ** np.arange(len(total)) @ numbers).tolist(), int(2 ** np.arange(len(total)) @ total)
        ([79, 33], 112)
    """
    length = int(rng.integers(1, longest))
    a, b = (int.from_bytes(rng.bytes(length // 8 + 1)) % 2**length for _ in range(2))
    return np.stack([bits(n, length + 1) for n in (a, b)], axis=1), bits(a + b, length + 1)


def counted_string(rng: np.random.Generator, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """A string of a and b, one-hot (n, 2), and whether it is a^m b^m, m > 0, so far (n,).

    Half of them are in the end; in the others a symbol is lost, added or changed, or all rotated.

    Example:
        >>> text, good = counted_string(np.random.default_rng(0), longest=9)
        >>> text.argmax(-1).tolist(), good.any().item()
        ([0, 0, 0, 0, 1, 1, 1], False)
    """
    n = int(rng.integers(1, (longest - 1) // 2 + 1))
    text = "a" * n + "b" * n
    if rng.random() < 0.5:
        i, other = int(rng.integers(len(text))), "ab"[rng.integers(2)]
        lost, added = text[:i] + text[i + 1 :], text[:i] + other + text[i:]
        changed = text[:i] + other + text[i + 1 :]
        text = (lost, added, changed, text[i:] + text[:i])[rng.integers(4)]
    first = len(text) - len(text.lstrip("a"))  # as many b must follow, and no more
    good = np.zeros(len(text), bool)
    if first and text[first : 2 * first] == "b" * first:
        good[2 * first - 1] = True
    return np.array([[symbol == "a", symbol == "b"] for symbol in text]), good
