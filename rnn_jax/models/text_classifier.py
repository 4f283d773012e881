"""A classifier with its words: from texts to classes, and to a picture of what decided."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from rnn_jax import plots
from rnn_jax.data.batch import padded
from rnn_jax.data.buckets import PairBatches
from rnn_jax.data.classes import answers
from rnn_jax.data.vocabulary import Vocabulary
from rnn_jax.models.classifier import Classifier
from rnn_jax.models.pure import Pure
from rnn_jax.typing import Params


@partial(jax.jit, static_argnums=0)
def _probabilities(pure: Pure[Classifier], params: Params, rows: Any, lengths: Any) -> jax.Array:
    return jax.nn.softmax(pure(params)(rows, lengths=lengths))


@partial(jax.jit, static_argnums=0)
def _weights(pure: Pure[Classifier], params: Params, rows: Any, lengths: Any) -> jax.Array:
    return pure(params).weights(rows, lengths=lengths)


class TextClassifier:
    """Classes of texts.

    Args:
        pure: A ``Classifier`` taken apart.
        params: Its parameters.
        words: What its tokens stand for.
        classes: Their names.
        max_length: Words of a text that are read, the first ones.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.data.vocabulary import Words
        >>> from rnn_jax.models import ClassifierConfig, ReaderConfig, take_apart
        >>> words = Words(("dull", "fun"))
        >>> reader = ReaderConfig(vocab_size=words.size, hidden_size=2)
        >>> config = ClassifierConfig(num_classes=2, reader=reader)
        >>> pure, params = take_apart(Classifier(config, rngs=nnx.Rngs(0)))
        >>> said = TextClassifier(pure, params, words, ["neg", "pos"])(["fun", "dull dull fun"])
        >>> said.shape, said.sum(1).round(3).tolist()
        ((2, 2), [1.0, 1.0])
    """

    def __init__(
        self,
        pure: Pure[Classifier],
        params: Params,
        words: Vocabulary,
        classes: Sequence[str],
        max_length: int = 200,
    ) -> None:
        self.pure, self.params = pure, params
        self.words, self.classes, self.max_length = words, list(classes), max_length

    def __call__(self, texts: Sequence[str], batch_size: int = 32) -> np.ndarray:
        """Probabilities (N, C) of texts, whose words stand between spaces."""
        rows = self.encode(texts)
        batches = PairBatches(rows, [[0]] * len(rows), batch_size, num_buckets=2, round_to=16)
        return answers(partial(_probabilities, self.pure, self.params), batches)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The tokens of texts, cut off where they are too long."""
        return [self.words.encode(text)[: self.max_length] for text in texts]

    def attention(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The weight of every word of some texts."""
        rows, lengths = padded(self.encode(texts), len(texts), self.max_length)
        weights = np.asarray(_weights(self.pure, self.params, rows, lengths))
        return [row[:length] for row, length in zip(weights, lengths)]

    def draw(
        self, path: Path, texts: Sequence[str], labels: ArrayLike, chances: np.ndarray
    ) -> None:
        """A picture of ten texts and the weights of their words, the misread ones first.

        Args:
            path: Where to.
            texts: N.
            labels: What they are (N,).
            chances: What they were taken for (N, C). Of five that were misread and five that were
                not, those are shown of which the model is surest.
        """
        labels, said, sure = np.asarray(labels), chances.argmax(1), chances.max(1)
        wrong = said != labels
        order = np.argsort(np.where(wrong, -sure, 2 - sure), kind="stable")
        some = [*order[wrong[order]][:5], *order[~wrong[order]][:5]]
        names = self.classes
        titles = [
            f"{names[said[k]]} {sure[k]:.0%}" + f", but it is {names[labels[k]]}" * bool(wrong[k])
            for k in some
        ]
        shown = [texts[k] for k in some]
        weights = self.attention(shown)
        cut = [text.split()[: len(row)] for text, row in zip(shown, weights)]
        plots.plot_words(cut, weights, titles, wrong=[wrong[k] for k in some]).savefig(path)
