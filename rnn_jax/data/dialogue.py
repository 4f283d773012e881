"""Pairs of questions and answers, and what a chatbot without a network would say."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from rnn_jax.data import corpora, questions
from rnn_jax.data.pairs import PairCorpus, Pairs, clean, split_pairs


def load_dialogue(
    data: str | None = None,
    validation: str | None = None,
    test: str | None = None,
    *,
    count: int = 12_000,
    held_out: int = 600,
    seed: int = 0,
) -> PairCorpus:
    """Questions and answers: those built in, or lines of files.

    Args:
        data: None for ``questions.ask``; else a file of tab-separated columns, question and answer,
            or two files "QUESTIONS,ANSWERS", as ``corpora.load_pairs`` reads them.
        validation: files like those of `data`; None to hold a share of `data` out by a hash.
        test: the same; both or neither.
        count: built-in questions to train on.
        held_out: built-in questions of each of the other parts, the same whatever the seed.
        seed: of the built-in questions.

    Raises:
        InputError: as for ``corpora.load_pairs``.

    Example:
        >>> print(load_dialogue(count=100, held_out=20))
        100 pairs to train on, 20 to validate, 20 to test
    """
    if data is None and validation is None and test is None:
        drawn = (
            questions.ask("train", count, seed),
            questions.ask("validation", held_out),
            questions.ask("test", held_out),
        )
        return PairCorpus(*(Pairs([one.question for one in part], [one.answer for one in part])
                            for part in drawn))  # fmt: skip
    given = corpora.load_pairs(data, validation, test)
    parts = [_plain(part) for part in (given.train, given.validation, given.test)]
    if validation is None and str(data).partition(":")[0] not in ("builtin", "tfds"):
        # Split anew as they are read: what differs in a capital alone is in one part.
        asked = [line for part in parts for line in part.sources]
        said = [line for part in parts for line in part.targets]
        return split_pairs(Pairs(asked, said, sum(part.dropped for part in parts)))
    return PairCorpus(*parts)


def _plain(part: Pairs) -> Pairs:
    """Without the questions of which nothing is left."""
    found = clean([*map(questions.plain, part.sources)], part.targets, "none")
    return found._replace(dropped=found.dropped + part.dropped)


def floors(corpus: PairCorpus) -> dict[str, list[str]]:
    """Answers to the questions of the test that need no network, by the name of the method.

    Example:
        >>> known, asked = Pairs(["a b", "a c"], ["x", "y"]), Pairs(["c"], ["z"])
        >>> floors(PairCorpus(known, asked, asked))
        {'answer to the nearest question': ['y'], 'most frequent answer': ['x']}
    """
    asked, answers = corpus.test.sources, Counter(corpus.train.targets)
    return {"answer to the nearest question": nearest_answers(corpus.train, asked),
            "most frequent answer": [answers.most_common(1)[0][0]] * len(asked)}  # fmt: skip


def nearest_answers(known: Pairs, questions: Sequence[str]) -> list[str]:
    """The answers to the known questions that share most words with these, rare ones most.

        similarity(q, k) = sum_{w in q and k} idf_w^2 / |k|,  idf_w = ln(N / n_w),
        |k|^2 = sum_{w in k} idf_w^2

    The cosine of two bags of words up to a factor of q's; the first of equals wins.

    Args:
        known: Questions and their answers.
        questions: Others.

    Example:
        >>> known = Pairs(["the code of chad", "the code of mali"], ["TD", "ML"])
        >>> nearest_answers(known, ["code for mali", "who"])
        ['ML', 'TD']

    References:
        Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988,
        doi:10.1016/0306-4573(88)90021-0.
    """
    bags = [set(question.split()) for question in known.sources]
    places: dict[str, list[int]] = {}
    for place, bag in enumerate(bags):
        for word in bag:
            places.setdefault(word, []).append(place)
    weight = {word: np.log(len(bags) / len(at)) ** 2 for word, at in places.items()}
    norms = np.sqrt([sum(weight[word] for word in bag) for bag in bags])
    found = []
    for question in questions:
        similar = np.zeros(len(bags))
        for word in set(question.split()) & weight.keys():
            similar[places[word]] += weight[word]
        found.append(known.targets[int(np.argmax(similar / np.maximum(norms, 1e-9)))])
    return found
