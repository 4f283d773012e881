"""Strings and memory tasks against what is said of them in other words."""

import re
from itertools import groupby

import numpy as np
import pytest

from rnn_jax.data import languages, memory_tasks

# The same language as the graph's, as a regular expression.
ENDING = "(?:XT*VP)*(?:SE|XT*VVE)"
REBER = re.compile(f"B(?:TS*X{ENDING}|PT*V(?:P{ENDING}|VE))")


def draw(name, length, size=200):
    return memory_tasks.memory_task(name, length).batch(seed=1, step=2, size=size)


def test_reber_strings_are_those_of_the_expression():
    rng = np.random.default_rng(0)
    strings = {languages.reber_string(rng) for _ in range(500)}
    assert all(REBER.fullmatch(string) for string in strings)
    every = {"BTXSE", "BTSXSE", "BPVVE", "BPTVVE", "BPVPSE", "BTXXVVE", "BTSSXSE"}
    assert every < strings
    for string in strings:  # what may come next is what comes next in some string
        for k, allowed in enumerate(languages.reber_sets(string)):
            after = {s[k + 1] for s in strings if s[: k + 1] == string[: k + 1] and s[k + 1 :]}
            assert after <= {c for i, c in enumerate(languages.REBER) if allowed >> i & 1}
    assert languages.reber_sets("BTSXXVPSE") == [
        sum(2 ** languages.REBER.index(c) for c in which)
        for which in ("TP", "SX", "SX", "XS", "TV", "PV", "XS", "E", "")
    ]
    assert max(len(languages.reber_string(rng, longest=7)) for _ in range(50)) <= 7
    with pytest.raises(ValueError, match="longest must be at least 5, got 4"):
        languages.reber_string(rng, longest=4)


def test_embedded_reber_strings_ask_for_the_second_symbol():
    batch = draw("reber", 25)
    assert batch.inputs.shape[1] == 24
    for inputs, targets, scored, n in zip(batch.inputs, batch.targets, batch.scored, batch.lengths):
        assert (inputs[n:] == 0).all()
        text = "".join(languages.REBER[k] for k in [*inputs[:n].argmax(-1), targets[n - 1]])
        assert text[:1] + text[-1:] == "BE" and text[1] == text[-2] in "TP"
        assert REBER.fullmatch(text[2:-2])
        assert [languages.REBER[k] for k in targets[:n]] == list(text[1:])
        assert languages.REBER[targets[scored].item()] == text[1]


def test_the_other_tasks():
    batch = draw("adding", 9)
    for inputs, targets in zip(batch.inputs, batch.targets):
        marked = [(k, value) for k, (value, mark) in enumerate(inputs) if mark == 1]
        assert [k >= 4 for k, _ in marked] == [False, True]
        assert targets[-1] == pytest.approx(sum(value for _, value in marked))
    assert (batch.asked.nonzero()[1] == 8).all()
    assert np.var(draw("adding", 9, 20_000).targets[:, -1]) == pytest.approx(1 / 6, rel=0.05)

    batch = draw("copying", 5)
    tokens = batch.inputs.argmax(-1)
    assert tokens.shape == (200, 25) and set(tokens[:, :10].ravel()) == set(range(1, 9))
    assert (tokens[:, 10:14] == 0).all() and (tokens[:, 14] == 9).all()
    assert (tokens[:, 15:] == 0).all() and (batch.targets[:, :15] == 0).all()
    assert (batch.targets[:, 15:] == tokens[:, :10]).all() and batch.asked.all()

    batch = draw("order", 20)
    for inputs, targets in zip(batch.inputs, batch.targets):
        text = "".join(memory_tasks.ORDER[k] for k in inputs.argmax(-1))
        found = re.fullmatch("E[abcd]+([XY])[abcd]+([XY])[abcd]+B", text)
        assert ["XX", "XY", "YX", "YY"][targets[-1]] == "".join(found.groups())
        assert 2 <= found.start(1) <= 4 and 10 <= found.start(2) <= 12

    batch = draw("parity", 7)
    for inputs, targets in zip(batch.inputs, batch.targets):
        text = "".join(str(int(bit)) for bit in inputs[:, 0])
        assert [text[: k + 1].count("1") % 2 for k in range(7)] == targets.tolist()
    floor = memory_tasks.memory_task("parity", 7).loss_floor
    right = np.mean(draw("parity", 7, 20_000).targets == draw("parity", 7, 20_000).inputs[..., 0])
    assert -np.log(right) * right - np.log(1 - right) * (1 - right) == pytest.approx(
        floor, rel=1e-2
    )


def test_strings_for_the_networks_by_hand():
    rng, good = np.random.default_rng(0), 0
    for _ in range(200):
        digits, parities = languages.parity_string(rng, 12)
        assert parities.tolist() == [digits[: k + 1].sum() % 2 for k in range(len(digits))]
        numbers, total = languages.sum_string(rng, 80)
        (a, b), c = (["".join(map(str, row[::-1])) for row in numbers.T], total[::-1])
        assert int(a, 2) + int(b, 2) == int("".join(map(str, c)), 2) and len(total) <= 80
        text, is_good = languages.counted_string(rng, 12)
        for n in range(1, 1 + len(text)):
            runs = [(int(k), len(list(run))) for k, run in groupby(text[:n].argmax(-1))]
            want = len(runs) == 2 and runs[0][0] == 0 and runs[0][1] == runs[1][1]
            assert want == is_good[n - 1]
        good += want
    assert 90 < good < 150  # some of the changes change nothing


def test_what_a_language_allows():
    batch, sets = languages.language_strings("reber", np.random.default_rng(0), 40, 20)
    for inputs, targets, which, n in zip(batch.inputs, batch.targets, sets, batch.lengths):
        text = "".join(languages.REBER[k] for k in [*inputs[:n].argmax(-1), targets[n - 1]])
        assert REBER.fullmatch(text) and which[:n].tolist() == languages.reber_sets(text)[:-1]
    batch, sets = languages.language_strings("parity", np.random.default_rng(0), 40, 20)
    assert (batch.targets == batch.inputs.argmax(-1).cumsum(axis=1) % 2).all()
    assert (sets == 1 + batch.targets).all()


def test_batches_follow_seed_and_step_and_are_never_those_held_out():
    task = memory_tasks.memory_task("adding", 5)
    first = task.batch(0, 0, 4).inputs
    assert (task.batch(0, 0, 4).inputs == first).all()
    for other in (task.batch(0, 1, 4), task.batch(1, 0, 4), task.held_out(0, 4)):
        assert not np.isin(other.inputs[..., 0], first[..., 0]).any()


@pytest.mark.parametrize(("name", "length"), [("order", 9), ("reber", 11), ("adding", 1)])
def test_too_short_is_refused(name, length):
    with pytest.raises(ValueError, match=f"length must be at least {length + 1} for {name}, got"):
        memory_tasks.memory_task(name, length)
    with pytest.raises(ValueError, match="task must be one of adding, copying"):
        memory_tasks.memory_task("adding up", 5)
