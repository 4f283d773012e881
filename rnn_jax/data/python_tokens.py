"""Lines of Python whose pieces are tagged by what kind of token they belong to."""

import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from rnn_jax.data.docstrings import library_files
from rnn_jax.data.pairs import share_of

Line = tuple[list[str], list[str]]
KINDS = {
    tokenize.NUMBER: "number", tokenize.STRING: "string", tokenize.COMMENT: "comment",
    tokenize.OP: "operator",
}  # fmt: skip


def pieces(line: str) -> list[str]:
    """Runs of letters and digits, and single marks.

    Example:
        >>> pieces("x += f('a b')  # 1.5")
        ['x', '+', '=', 'f', '(', "'", 'a', 'b', "'", ')', '#', '1', '.', '5']
    """
    return re.findall(r"\w+|[^\w\s]", line)


def tagged_lines(source: str) -> Iterator[Line]:
    """Pieces and tags of the lines of a program: which piece begins or continues which token.

    A string of five words in quotes is one token, and so is ``>>=``. Left out are lines with a part
    of a token of several lines, or with an f-string, which versions of Python tokenise differently.

    Args:
        source: a program.

    Raises:
        tokenize.TokenError, SyntaxError: if it is none.

    Example:
        >>> for words, tags in tagged_lines("if a >= 'b c':"):
        ...     print(*map("/".join, zip(words, tags)))
        if/B-keyword a/B-name >/B-operator =/I-operator '/B-string b/I-string c/I-string '/I-string
        :/B-operator
    """
    found: dict[int, list[tuple[int, int, str]]] = {}
    left_out: set[int] = set()
    for kind, text, start, end, _ in tokenize.generate_tokens(io.StringIO(source).readline):
        formatted = tokenize.tok_name[kind][1:].startswith("STRING_")
        if kind == tokenize.STRING:
            formatted = "f" in re.split("['\"]", text, maxsplit=1)[0].lower()
        if formatted or (start[0] != end[0] and text.strip()):
            left_out.update(range(start[0], end[0] + 1))
        elif kind == tokenize.NAME:
            name = "keyword" if keyword.iskeyword(text) else "name"
            found.setdefault(start[0], []).append((start[1], end[1], name))
        elif kind in KINDS:
            found.setdefault(start[0], []).append((start[1], end[1], KINDS[kind]))
    for number, line in enumerate(source.splitlines(), 1):
        if number in found and number not in left_out:
            words, tags = [], []
            for match in re.finditer(r"\w+|[^\w\s]", line):
                for first, last, name in found[number]:
                    if first <= match.start() < last:
                        words.append(match.group())
                        tags.append(f"{'B' if match.start() == first else 'I'}-{name}")
            yield words, tags


def library_lines(count: int, root: str | Path | None = None) -> list[list[Line]]:
    """Lines of the standard library to train on, to validate and to test, from different files.

    Args:
        count: most lines to train on; a tenth of that each to validate and to test.
        root: another folder of Python files.

    Returns:
        Three lists; none holds a line twice, nor one of a list before.

    Raises:
        InputError: if there are no files.

    Example:
        >>> train, validation, test = library_lines(40)
        >>> len(train), len(validation), len(test)
        (40, 4, 4)
    """
    # In the order of a hash, so that a few files are of all kinds.
    files = sorted(library_files(root), key=lambda path: share_of("/".join(path.parts[-2:])))
    held_out = -(-count // 10)
    seen: set[str] = set()
    return [
        list(_some(paths, most, seen))
        for paths, most in (
            ([path for place, path in enumerate(files) if place % 10 < 8], count),
            (files[8::10], held_out),
            (files[9::10], held_out),
        )
    ]


def _some(paths: list[Path], most: int, seen: set[str]) -> Iterator[Line]:
    """So many lines that were not seen, few of each file."""
    for path in paths:
        try:
            with tokenize.open(path) as file:
                lines = tagged_lines(file.read())
                new = [line for line in lines if 3 <= len(line[0]) <= 40]
        except (tokenize.TokenError, SyntaxError, ValueError):  # some files are templates
            continue
        for words, tags in new[:: max(1, len(new) // 60)]:
            if " ".join(words) not in seen:
                seen.add(" ".join(words))
                yield words, tags
                most -= 1
            if not most:
                return
