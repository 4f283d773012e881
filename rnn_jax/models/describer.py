"""A captioner with its words: from images to sentences, and to where it looked for each word."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import decoding, plots
from rnn_jax.data.batch import padded
from rnn_jax.data.buckets import PairBatches
from rnn_jax.data.caption_scores import caption_scores, looked_at
from rnn_jax.data.captioned import Captioned
from rnn_jax.data.vocabulary import Vocabulary, row, sentence
from rnn_jax.losses import Sum, merge
from rnn_jax.models.captioner import Captioner
from rnn_jax.models.pure import Pure
from rnn_jax.models.search import Search, n_best
from rnn_jax.models.translator import Translation
from rnn_jax.typing import Params


def with_coordinates(images: jax.Array) -> jax.Array:
    """Pixels from -1 to 1, and beside their colours how far down and how far right they are.

    Convolutions alone do not know places, and so a content-based attention could not tell the left
    of two equal things.

    Args:
        images: (B, height, width, channels), numbers from 0 to 255.

    Returns:
        (B, height, width, channels + 2), float32.

    Example:
        >>> with_coordinates(jnp.full((1, 2, 2, 1), 255, jnp.uint8))[0, 1].tolist()
        [[1.0, 1.0, -1.0], [1.0, 1.0, 1.0]]

    References:
        Liu et al., An intriguing failing of convolutional neural networks and the CoordConv
        solution, 2018, arXiv:1807.03247.
    """
    pixels = images.astype(jnp.float32) / 127.5 - 1
    _, height, width, _ = pixels.shape
    sides = (jnp.linspace(-1, 1, n, dtype=jnp.float32) for n in (height, width))
    places = jnp.stack(jnp.meshgrid(*sides, indexing="ij"), -1)
    # Through the pixels, so that the places are sharded as they are.
    return jnp.concatenate([pixels, 0 * pixels[..., :1] + places[None]], -1)


@partial(jax.jit, static_argnums=0)
def _weights(pure: Pure[Captioner], params: Params, images: Any, tokens: Any, n: Any) -> jax.Array:
    return pure(params).alignments(with_coordinates(images), tokens, lengths=n)


@partial(jax.jit, static_argnums=0)
def _nats(pure: Pure[Captioner], params: Params, rows: Any) -> Sum:
    images = with_coordinates(rows.source)
    return pure(params).loss(images, rows.target, lengths=rows.target_lengths)


class Describer:
    """Captions of images.

    Args:
        pure: A ``Captioner`` taken apart; it reads ``with_coordinates``.
        params: Its parameters.
        words: What its tokens stand for.
        max_length: Most words of a caption.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.data.vocabulary import Words
        >>> from rnn_jax.models import CaptionerConfig, take_apart
        >>> words = Words(("a", "dog"))
        >>> sizes = {"vocab_size": words.size, "num_channels": 5, "conv_sizes": (2, 3)}
        >>> model = Captioner(CaptionerConfig(hidden_size=4, **sizes), rngs=nnx.Rngs(0))
        >>> describe = Describer(*take_apart(model), words, max_length=3)
        >>> images = [np.zeros((8, 8, 3), np.uint8)] * 2
        >>> found = describe(images, beam_size=2, num_best=2)
        >>> [len(best) for best in found], describe.weights(images, ["a dog", "dog"])[0].shape
        ([2, 2], (2, 2, 2))
    """

    def __init__(
        self, pure: Pure[Captioner], params: Params, words: Vocabulary, max_length: int = 30
    ) -> None:
        self.pure, self.params, self.words, self.max_length = pure, params, words, max_length

    def __call__(
        self,
        images: Sequence[np.ndarray],
        *,
        beam_size: int = 1,
        num_best: int = 1,
        alpha: float = 0.6,
        batch_size: int = 50,
    ) -> list[list[Translation]]:
        """The captions of every image, the best first.

        Args:
            images: (height, width, 3) from 0 to 255, all of one size.
            beam_size: Hypotheses of an image that go on; 1 is greedy.
            num_best: How many captions of an image, at most ``beam_size``; fewer where there are
                not so many.
            alpha: Of ``decoding.GNMT``, a beam's length penalty.
            batch_size: Images side by side.

        Raises:
            ValueError: If the beam is smaller than ``num_best``.
        """
        if not 1 <= num_best <= beam_size:
            raise ValueError(f"num_best {num_best} is not in 1..{beam_size}, the beam_size")
        model = self.pure(self.params)
        how = Search(
            start=model.config.start,
            end=model.config.end,
            max_length=self.max_length + 1,
            beam_size=beam_size,
            length_penalty=decoding.GNMT(alpha) if beam_size > 1 else None,
        )
        found = []
        for rows, count in _batches(images, batch_size):
            seen = with_coordinates(rows)
            if beam_size == 1:
                one = model.caption(seen, max_length=how.max_length)
                best, scores = one.tokens[:, None], one.scores[:, None]
            else:
                best, _, scores = n_best(model, how, seen, None, num_best)
            for lines, score in zip(np.asarray(best)[:count], np.asarray(scores)[:count]):
                pairs = zip(lines, score.tolist())
                said = [Translation(sentence(self.words, t), s) for t, s in pairs if s > -np.inf]
                found.append(said)
        return found

    def weights(
        self, images: Sequence[np.ndarray], captions: Sequence[str], batch_size: int = 50
    ) -> list[np.ndarray]:
        """Where attention looks for each word of given captions: (words, height', width') each.

        Args:
            images: As many as captions.
            captions: Words between single spaces.
            batch_size: Images side by side.

        Raises:
            ValueError: If the captioner attends to nothing.
        """
        rows = [row(self.words, caption) for caption in captions]
        longest, found, start = max(map(len, rows)), [], 0
        for seen, count in _batches(images, batch_size):
            tokens, lengths = padded(rows[start : start + count], len(seen), longest)
            looked = np.asarray(_weights(self.pure, self.params, seen, tokens, lengths))
            steps = 2 ** len(self.pure(self.params).config.conv_sizes)
            width = -(-seen.shape[2] // steps)
            grids = looked.reshape(*looked.shape[:2], -1, width)
            found += [grid[: n - 1] for grid, n in zip(grids[:count], lengths[:count].tolist())]
            start += count
        return found

    def nats(self, batches: PairBatches) -> float:
        """Cross entropy of captions, a word or an end, of batches of images and captions."""
        pure, params = self.pure, self.params
        return merge(*(_nats(pure, params, rows) for rows in batches.in_order())).mean.item()

    def look(self, part: Captioned, path: str | Path, beam_size: int = 1, shown: int = 8) -> str:
        """How well images are described, in words, and a picture of the first of them.

        Args:
            part: Images and captions; where it is known what stands where, it is also said how
                often attention is there while a true caption names it.
            path: Where the picture goes.
            beam_size: Hypotheses of an image that go on.
            shown: Images in the picture.
        """
        said = [best[0].text for best in self(part.images, beam_size=beam_size)]
        found, maps = str(caption_scores(said, part.captions)), None
        images = [part.images[k] for k in range(min(shown, len(said)))]
        said = said[:shown]
        if self.pure(self.params).config.mode == "attend":
            maps = self.weights(images, said)
            if part.scenes:
                seen = self.weights(part.images, [captions[0] for captions in part.captions])
                found += f"; {looked_at(seen, part.scenes)}"
        wrong = [text not in right for text, right in zip(said, part.captions)]
        plots.plot_captions(images, said, maps, wrong=wrong).savefig(path)
        return found


def _batches(images: Sequence[np.ndarray], size: int) -> Iterator[tuple[Any, int]]:
    """Images side by side, the last batch filled up, and how many of them are real."""
    size = max(1, min(size, len(images)))
    for start in range(0, len(images), size):
        chosen = [images[k] for k in range(start, min(start + size, len(images)))]
        yield np.stack(chosen + chosen[:1] * (size - len(chosen))), len(chosen)
