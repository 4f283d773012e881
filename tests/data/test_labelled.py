"""Texts with classes: docstrings, tables, a file for each class, naive Bayes."""

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.classes import frequency_nats, naive_bayes
from rnn_jax.data.docstrings import docstrings
from rnn_jax.data.labelled import as_words, load_labelled

MODULE = '''"""Tools for
things.

More of it."""
class A:
    """A thing."""
    def f(self):
        """Return \\d it."""
        async def g(): "Left out."
def g(): "A thing."
x = "no docstring"
'''


def test_docstrings_are_labelled_by_what_has_them(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "a.py").write_text('"""Of a test."""')
    (tmp_path / "a.py").write_text(MODULE)
    (tmp_path / "b.py").write_text("{{ template")
    assert docstrings(tmp_path) == [
        ("module", "Tools for things."), ("class", "A thing."), ("function", "Return \\d it."),
    ]  # fmt: skip
    with pytest.raises(InputError, match="no Python files"):
        docstrings(tmp_path / "tests" / "none")


def test_tables_and_files_for_each_class_agree(tmp_path):
    rows = [(label, f"Text, number {k}") for k in range(150) for label in ("bad", "good")]
    (tmp_path / "a.tsv").write_text("".join(f"{label}\t{text}{label}\n" for label, text in rows))
    for label in ("bad", "good"):
        lines = (f"{text}{label}\n" for other, text in rows if other == label)
        (tmp_path / f"r.{label}").write_text("".join(lines) + "\n")
    table = load_labelled(f"{tmp_path}/a.tsv")
    files = load_labelled(f"{tmp_path}/r.bad,{tmp_path}/r.good")
    assert table.classes == files.classes == ("bad", "good")
    for part, other in zip(
        (table.train, table.validation, table.test), (files.train, files.validation, files.test)
    ):
        assert set(zip(*part)) == set(zip(*other))
        assert all(text.endswith(table.classes[label]) for text, label in zip(*part))
    assert table.train.texts[0] == "text , number 0bad" and 200 < len(table.train.texts) < 270
    same = load_labelled(f"{tmp_path}/a.tsv", f"{tmp_path}/a.tsv", f"{tmp_path}/a.tsv")
    assert len(same.train.texts) == len(same.test.texts) == 300


def test_what_is_wrong_is_named(tmp_path):
    for name, content in (
        ("a.tsv", "good\tyes\nbad no\n"), ("b.tsv", "good\tyes\n"), ("c.tsv", "odd\tyes\n" * 9),
        ("a.neg", "no\n"), ("a.pos", "yes\n"),
    ):  # fmt: skip
        (tmp_path / name).write_text(content)
    for data, message in (
        ("a.tsv", "line 2 of .*a.tsv has no tab between class and text: 'bad no'"),
        ("b.tsv", "1 texts of 1 classes do not fill three parts"),
        ("a.neg,a.pos", "2 texts of [12] classes do not fill three parts"),
        ("a.pos", "is one file: give one that is called .tsv"),
        ("a.tsv,a.tsv", "name the classes .*: rename one"),
        ("d.tsv", "no such file"),
    ):
        paths = ",".join(f"{tmp_path}/{name}" for name in data.split(","))
        with pytest.raises(InputError, match=message):
            load_labelled(paths)
    files = f"{tmp_path}/a.neg,{tmp_path}/a.pos"
    with pytest.raises(InputError, match=r"\['odd'\] are held out, but not in the training data"):
        load_labelled(files, f"{tmp_path}/c.tsv", files)
    with pytest.raises(InputError, match="both validation and test"):
        load_labelled(files, files)
    with pytest.raises(InputError, match="brings its own parts"):
        load_labelled("builtin", files, files)


def test_words_and_floors():
    assert as_words("So-so<br /><br />It's 7.5!") == "so - so it's 7 . 5 !"
    assert as_words("\u00c4RGER \u2014 na ja") == "\u00e4rger \u2014 na ja"
    seen, labels = np.array([0, 0, 0, 1]), np.array([0, 1])
    np.testing.assert_allclose(frequency_nats(seen, labels), -np.log([4 / 6, 2 / 6]).mean())


def test_naive_bayes_is_its_equation():
    pytest.importorskip("sklearn")
    texts = ["a b b", "b c", "c c a d", "d"]
    labels = np.array([0, 0, 1, 1])
    vocabulary = sorted({word for text in texts for word in text.split()})

    def log_p(text, label):
        seen = " ".join(t for t, its in zip(texts, labels) if its == label).split()
        known = [word for word in text.split() if word in vocabulary]
        return np.log(0.5) + sum(
            np.log((seen.count(w) + 1) / (len(seen) + len(vocabulary))) for w in known
        )

    others = ["a", "b c", "c d e", "a a b c d", "e"]
    expected = [int(log_p(text, 1) > log_p(text, 0)) for text in others]
    np.testing.assert_array_equal(naive_bayes(texts, labels, others), expected)
