"""The built-in questions: their answers against the standard library, their parts, the floors."""

import calendar
import datetime
import re

import numpy as np
import pytest

from rnn_jax.data import dialogue, pairs, questions

for library in ("babel", "num2words"):
    pytest.importorskip(library)

DATE = r"(\w+) (\d+), (\d+)"
MONTHS = [name.lower() for name in calendar.month_name]


@pytest.fixture(scope="module")
def asked():
    return {part: questions.ask(part, 400) for part in ("train", "validation", "test")}


def to_date(text: str) -> datetime.date:
    month, day, year = re.search(DATE, text.lower()).groups()
    return datetime.date(int(year), MONTHS.index(month), int(day))


def test_answers_agree_with_the_standard_library(asked):
    seen = set()
    for topic, question, answer in sum(asked.values(), []):
        seen.add(topic)
        number = re.search(r"\d+", question)
        if topic == "weekday":
            assert calendar.day_name[to_date(question).weekday()] == answer
        elif topic == "date":
            assert (to_date(answer) - to_date(question)).days == 1
        elif topic == "length":
            month, year = re.search(r"(\w+) (\d{4})", question).groups()
            assert calendar.monthrange(int(year), MONTHS.index(month))[1] == int(answer)
        elif topic == "count":
            assert int(answer) - int(number[0]) == (1 if "after" in question else -1)
        elif topic in ("month", "day"):
            names = MONTHS[1:] if topic == "month" else [d.lower() for d in calendar.day_name]
            (place,) = (k for k, name in enumerate(names) if name in question.split())
            size = next((n for n in (2, 3) if ("two", "three")[n - 2] in question), 1)
            step = size if "after" in question else -size
            assert names[(place + step) % len(names)] == answer.lower()
    assert seen == set(questions.TOPICS)


def test_what_is_held_out_was_not_trained_on(asked):
    train = {one.question for one in questions.ask("train", 20_000)}
    for part in ("validation", "test"):
        held_out = [one.question for one in asked[part]]
        assert not train & set(held_out) and len(set(held_out)) == len(held_out)
    # a number that is asked about is in no wording of the training part
    numbers = {one.question.split()[2] for one in asked["test"]
               if one.question.endswith("in words")}  # fmt: skip
    trained = {word for question in train if "in words" in question for word in question.split()}
    assert numbers and not numbers & trained
    # a fact that is asked about is, in another wording
    facts = {one.question.removeprefix("what do people pay with in ") for one in asked["test"]
             if one.question.startswith("what do people pay")}  # fmt: skip
    assert facts and all(any(fact in question for question in train) for fact in facts)


def test_known_facts_and_plain_questions():
    assert questions.countries("currency")["CH"] == "Swiss Franc"
    assert questions.countries("languages")["BR"] == "Portuguese"
    assert questions.plain("  What is THE code of Chad ?! ") == "what is the code of chad"


def test_files_and_floors(tmp_path):
    lines = [f"{who} is  number {k}{end}\tNumber {k % 3}!" for k in range(80)
             for who, end in (("Who", "?"), ("who", ""))]  # fmt: skip
    lines.append("?!\tWhat?")
    (tmp_path / "a.tsv").write_text("\n".join(lines) + "\n")
    corpus = dialogue.load_dialogue(str(tmp_path / "a.tsv"))
    assert corpus.train.sources[0].startswith("who is number") and corpus.test.size
    # however they are typed, the same questions are in one part, and none is empty
    assert not {*corpus.train.sources} & {*corpus.test.sources, *corpus.validation.sources, ""}
    assert set(corpus.test.targets) <= {"Number 0!", "Number 1!", "Number 2!"}
    known = pairs.Pairs(["red big house", "big blue house", "red car", "a"], list("xyzw"))
    asked = ["the blue", "car red", "red big house", "nobody"]
    bags = [set(line.split()) for line in known.sources]
    words = sorted(set.union(*bags))
    idf = {w: np.log(len(bags) / sum(w in bag for bag in bags)) for w in words}
    vectors = np.array([[idf[w] * (w in bag) for w in words] for bag in bags])
    best = []
    for question in asked:  # the cosines, written out
        q = np.array([idf[w] * (w in question.split()) for w in words])
        best.append(known.targets[np.argmax(vectors @ q / np.linalg.norm(vectors, axis=1))])
    assert dialogue.nearest_answers(known, asked) == best
    found = dialogue.floors(pairs.PairCorpus(known, known, known))
    assert found["answer to the nearest question"] == list("xyzw")
