"""Parallel text: what is read, what is left out, what is refused, and no leaks."""

import pytest

from rnn_jax.data import InputError
from rnn_jax.data.pairs import PairCorpus, Pairs, read_pairs, share_of, split_pairs


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_two_files_line_for_line(tmp_path):
    # U+2028 and U+0085 end a line for str.splitlines, not for us.
    source = write(tmp_path / "a.de", "ein  Haus\n\nso\u2028was\nna\u0308he\n")
    target = write(tmp_path / "a.en", "a house\nnothing\nsuch\u0085thing\nclose")
    assert read_pairs(source, target) == Pairs(
        ["ein Haus", "so was", "nähe"], ["a house", "such thing", "close"], dropped=1
    )
    assert read_pairs(source, target, form="none").sources[2] == "na\u0308he"
    assert read_pairs(source, target, form="NFKD").sources[2] == "na\u0308he"


def test_one_file_of_columns(tmp_path):
    path = write(tmp_path / "a.tsv", "ein Haus\ta house\tTatoeba 7\n\nja\t\nja\tyes\n")
    assert read_pairs(path) == Pairs(["ein Haus", "ja"], ["a house", "yes"], dropped=2)
    write(path, "ja\tyes\n\nnein no\n")
    with pytest.raises(InputError, match=r"line 3 of .*a\.tsv has no tab .*: 'nein no'"):
        read_pairs(path)


@pytest.mark.parametrize("swap", [False, True])
def test_different_numbers_of_lines_are_refused(tmp_path, swap):
    files = write(tmp_path / "a", "1\n2\n3\n4\n"), write(tmp_path / "b", "1\n2\n")
    counts = "has 2 lines and .* has 4" if swap else "has 4 lines and .* has 2"
    with pytest.raises(InputError, match=f"{counts}; line 3 of .*/a is the first .*: '3'"):
        read_pairs(*(files[::-1] if swap else files))


def test_files_without_pairs_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_pairs(write(tmp_path / "a", "1\n"), tmp_path / "b")
    with pytest.raises(InputError, match="no pair of sentences"):
        read_pairs(write(tmp_path / "a", " \n"), write(tmp_path / "b", "1\n"))


def test_the_split_leaks_no_source_and_keeps_its_word_as_the_corpus_grows():
    sources = [f"s{i % 700}" for i in range(1000)]  # 300 sources occur twice
    pairs = Pairs(sources, [f"t{i % 850}" for i in range(1000)], dropped=3)
    corpus = split_pairs(pairs, 0.1, 0.2)
    parts = [set(part.sources) for part in (corpus.train, corpus.validation, corpus.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 700
    assert [0.6, 0.05, 0.15] < [len(part) / 700 for part in parts] < [0.8, 0.15, 0.25]
    assert corpus.train.size > len(parts[0]) and corpus.train.dropped == 3
    held_out = list(zip(corpus.test.sources, corpus.test.targets))
    assert len(held_out) == len(set(held_out))
    smaller = split_pairs(Pairs(sources[:300], pairs.targets[:300]), 0.1, 0.2)
    assert set(smaller.test.sources) <= parts[2] and set(smaller.train.sources) <= parts[0]
    assert split_pairs(pairs, 0.1, 0.2).digest == corpus.digest != smaller.digest


def test_shares_and_sizes_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match=r"validation_share 0\.5 and test_share 0\.5"):
        split_pairs(Pairs(["a"], ["b"]), 0.5, 0.5)
    with pytest.raises(InputError, match="1 pairs do not fill three parts"):
        split_pairs(Pairs(["a"], ["b"]))
    numbers = [share_of(str(i)) for i in range(2000)]
    assert 0 <= min(numbers) and max(numbers) < 1 and abs(sum(numbers) / 2000 - 0.5) < 0.03


def test_a_corpus_says_what_stands_in_both_parts():
    train = Pairs(["a", "b"], ["A", "B"], dropped=4)
    corpus = PairCorpus(train, Pairs(["c"], ["C"]), Pairs(["a", "b", "d"], ["A", "X", "D"]))
    assert str(corpus) == (
        "2 pairs to train on, 1 to validate, 3 to test; train: 4 left out, a side was empty; "
        "test: 2 sources stand in the training text too"
    )
