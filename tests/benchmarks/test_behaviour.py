"""The table of corners: ours must say yes everywhere; what peers say may change with versions."""

import jax
import pytest

from benchmarks import behaviour


@pytest.fixture(autouse=True)
def _as_users_run_it(standard_promotion):
    with jax.enable_x64(False):
        yield


@pytest.mark.parametrize("question", behaviour.QUESTIONS, ids=lambda question: question.__name__)
def test_ours_says_yes(question):
    assert behaviour.answer(question, behaviour.rnn_jax) == "yes"


def test_table(monkeypatch):
    monkeypatch.setattr(behaviour, "find_spec", lambda name: None)
    monkeypatch.setattr(behaviour, "QUESTIONS", (behaviour.keeps_empty_row,))
    assert behaviour.table().splitlines() == [
        "| | rnn_jax |",
        "| --- | --- |",
        "| A row of length 0 ends in the state that it began with | yes |",
    ]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (lambda make: make(1) == 1, "yes"),
        (lambda make: make(1) == 2, "**no**"),
        (lambda make: make(1) + "", "**TypeError**"),
    ],
)
def test_answer(question, said: str):
    assert behaviour.answer(question, lambda dtype: dtype) == said
