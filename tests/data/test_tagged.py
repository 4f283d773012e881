"""Tagged sentences: CoNLL's files, tokens of Python, spans and their scores."""

import tokenize

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.python_tokens import library_lines, tagged_lines
from rnn_jax.data.spans import FrequentTags, confusion, span_scores, spans
from rnn_jax.data.tagged import load_tagged, read_conll

PROGRAM = '''
def f(a, *, b=1.5):  # of "two"
    """Left
    out."""
    text = r'a "b" # c' + f"{a}"
    while a >> 2 != 0x1F:
        a **= -b if not b'x y' else 3
'''


def test_pieces_of_python_are_tagged_as_the_tokens_that_they_make():
    lines = list(tagged_lines(PROGRAM))
    shown = [" ".join(f"{w}/{t[0]}{t[2]}" for w, t in zip(*line)) for line in lines]
    assert shown == [
        "def/Bk f/Bn (/Bo a/Bn ,/Bo */Bo ,/Bo b/Bn =/Bo 1/Bn ./In 5/In )/Bo :/Bo "
        '#/Bc of/Ic "/Ic two/Ic "/Ic',
        "while/Bk a/Bn >/Bo >/Io 2/Bn !/Bo =/Io 0x1F/Bn :/Bo",
        "a/Bn */Bo */Io =/Io -/Bo b/Bn if/Bk not/Bk b/Bs '/Is x/Is y/Is '/Is else/Bk 3/Bn",
    ]
    with pytest.raises((tokenize.TokenError, SyntaxError)):
        list(tagged_lines("x = ("))


def test_lines_of_a_library_are_held_out_by_file(tmp_path):
    for k in range(30):
        lines = [f"same = {k % 2}"] + [f"v{k} = f(v{k}, {n})  # line" for n in range(20)]
        (tmp_path / f"m{k}.py").write_text("\n".join(lines))
    (tmp_path / "template.py").write_text("{{ x")
    parts = library_lines(100, tmp_path)
    assert [len(part) for part in parts] == [100, 10, 10]
    names = [{w for words, _ in part for w in words if w.startswith("v")} for part in parts]
    assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])
    every = [" ".join(words) for part in parts for words, _ in part]
    assert len(set(every)) == 120
    with pytest.raises(InputError, match="no Python files in"):
        library_lines(9, tmp_path / "nothing")


def test_spans_are_those_of_the_conll_evaluation():
    """By hand; the last row is the example of conlleval's manual, IOB1 as well as IOB2."""
    for tags, expected in (
        ("O O", []),
        ("B-x", [(0, 1, "x")]),
        ("B-x B-x I-x O", [(0, 1, "x"), (1, 3, "x")]),
        ("I-x I-y B-y", [(0, 1, "x"), (1, 2, "y"), (2, 3, "y")]),
        ("I-x O I-x", [(0, 1, "x"), (2, 3, "x")]),
    ):
        assert spans(tags.split()) == expected
    true = [["B-x", "I-x", "O", "B-y"], ["B-x", "O"], ["O"]]
    said = [["B-x", "O", "O", "B-y"], ["B-x", "B-y"], ["B-x"]]
    scores = span_scores(true, said)
    np.testing.assert_allclose(scores, (2 / 5, 2 / 3, 0.5, 3))
    assert span_scores([["O"]], [["O"]]).f1 == 0
    counts = confusion(true, said, ["O", "x", "y"])
    np.testing.assert_array_equal(counts, [[1, 1, 1], [1, 2, 0], [0, 0, 1]])
    floor = FrequentTags([["a", "a", "a", "b"]], [["O", "B-x", "B-x", "O"]])
    assert floor([["b", "a"], ["c"]]) == [["O", "B-x"], ["O"]]


def test_files_are_read_and_split(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("-DOCSTART- O\n\nin\tO\nNew York\tB-x\n\n\nno DT O\n\ufeff\nyes UH B-y \n")
    assert read_conll(path) == [
        (["in", "New York"], ["O", "B-x"]), (["no"], ["O"]), (["yes"], ["B-y"])
    ]  # fmt: skip
    corpus = load_tagged(str(path), str(path), str(path))
    assert corpus.tags == ("B-x", "B-y", "O") and corpus.kinds == ("O", "x", "y")
    many = tmp_path / "b.conll"
    many.write_text("\n".join(f"w{k}\tO\nx\tB-x\n" for k in range(100)))
    corpus = load_tagged(str(many))
    sizes = [len(part.words) for part in (corpus.train, corpus.validation, corpus.test)]
    assert sum(sizes) == 100 and min(sizes[1:]) >= 4 and sizes[0] > 70
    assert load_tagged(str(many)).digest == corpus.digest
    assert corpus.floor(corpus.test) == "most frequent tag of each word 100.00"
    # several files; the end alone from elsewhere: what was held out to choose by still is
    other = load_tagged(f"{path},{many}", test=str(path))
    assert (
        other.validation == corpus.validation and other.test == load_tagged(*[str(path)] * 3).test
    )
    assert sorted(other.train.words) == sorted(
        load_tagged(str(path), str(path), str(path)).train.words
        + corpus.train.words + corpus.test.words
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O\nb\n", "line 2 of .* has no tag: 'b'"),
        ("\n\n", "has no sentence"),
        ("a\tO\n", "1 sentences do not fill three parts"),
    ],
)
def test_bad_files_are_named(content, message, tmp_path):
    path = tmp_path / "a.conll"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_tagged(str(path))
    with pytest.raises(InputError, match="both validation and test"):
        load_tagged(str(path), str(path))
    with pytest.raises(InputError, match="brings its own parts"):
        load_tagged(None, str(path), str(path))
