"""What models make of many films: how frames go on, beside copying, and what is going on."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax import plots
from rnn_jax.data.classes import measured, most_frequent
from rnn_jax.losses import merge
from rnn_jax.models.frame_predictor import FramePredictor
from rnn_jax.models.pure import Pure
from rnn_jax.models.video_classifier import VideoClassifier
from rnn_jax.typing import Params


class Foreseen(NamedTuple):
    """Frames as they were predicted; nan stands where nothing was."""

    after: np.ndarray  # (N, T, height, width), each from all true frames before it
    alone: np.ndarray  # (N, T, height, width), those behind the seen ones without a further look
    nats: float  # of a frame, given all before it
    nats_alone: float  # of a frame behind the seen ones, without a further look

    def errors(self, films: np.ndarray, seen: int) -> dict[str, np.ndarray]:
        """Squared error of a frame, summed over its pixels, mean over films, (T,) by name.

        "next" and "alone" are the network's; "copied" takes the frame before for the next one,
        "held" the last that was seen for all that come, "dark" says nothing at all.

        Args:
            films: (N, T, height, width) as they were.
            seen: How many frames were shown.
        """
        before, held = np.full_like(films, np.nan), np.full_like(films, np.nan)
        before[:, 1:], held[:, seen:] = films[:, :-1], films[:, seen - 1 : seen]
        dark = np.where(np.isfinite(held), 0, held)
        guesses = {"next": self.after, "copied": before, "alone": self.alone, "held": held}
        guesses["dark"] = dark
        return {
            name: np.square(guess - films).sum((2, 3)).mean(0) for name, guess in guesses.items()
        }

    def said(self, films: np.ndarray, seen: int) -> str:
        """Nats and squared errors, in words."""
        errors, rest = self.errors(films, seen), films.shape[1] - seen
        after, copied = (np.nanmean(errors[name]) for name in ("next", "copied"))
        text = (
            f"{self.nats:.2f} nats and a squared error of {after:.2f} a frame (copied {copied:.2f})"
        )
        for ahead in sorted({1, min(5, rest), rest}):
            alone, held, dark = (errors[k][seen + ahead - 1] for k in ("alone", "held", "dark"))
            text += f"; alone, {ahead} ahead {alone:.2f} (held {held:.2f}, dark {dark:.2f})"
        return text


@partial(jax.jit, static_argnums=(0, 1))
def _predict(pure: Pure[FramePredictor], seen: int, params: Params, films: Any) -> Any:
    model = pure(params)
    after, _ = model(films[:, :-1])
    alone = model.go_on(films[:, :seen], films.shape[1] - seen)
    losses = model.loss(films), model.loss(films, seen)
    return jax.nn.sigmoid(after), jax.nn.sigmoid(alone), losses


def foresee(
    pure: Pure[FramePredictor], params: Params, films: np.ndarray, seen: int, batch_size: int = 20
) -> Foreseen:
    """Predict films, frame by frame and from their beginning alone.

    Args:
        pure: A ``FramePredictor`` taken apart.
        params: Its parameters.
        films: (N, T, height, width), from 0 to 1.
        seen: How many frames are shown before it goes on alone, less than T.
        batch_size: Films side by side.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import FramePredictorConfig, take_apart
        >>> config = FramePredictorConfig(frame_shape=(4, 4), hidden_size=2, num_layers=1)
        >>> pure, params = take_apart(FramePredictor(config, rngs=nnx.Rngs(0)))
        >>> films = np.zeros((3, 5, 4, 4), np.float32)
        >>> found = foresee(pure, params, films, seen=2)
        >>> {name: (line >= 0).sum().item() for name, line in found.errors(films, 2).items()}
        {'next': 4, 'copied': 4, 'alone': 3, 'held': 3, 'dark': 3}
    """
    after, alone = np.full_like(films, np.nan), np.full_like(films, np.nan)
    sums: list[Any] = []
    for start in range(0, len(films), batch_size):
        cut = slice(start, start + batch_size)
        after[cut, 1:], alone[cut, seen:], both = _predict(pure, seen, params, films[cut])
        sums.append(both)
    nats = (merge(*parts).mean.item() * films[0, 0].size for parts in zip(*sums))
    return Foreseen(after, alone, *nats)


@partial(jax.jit, static_argnums=0)
def _classify(pure: Pure[VideoClassifier], params: Params, films: Any) -> jax.Array:
    return jax.nn.softmax(pure(params)(films))


def classify_films(
    pure: Pure[VideoClassifier],
    params: Params,
    films: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    path: str | Path,
    batch_size: int = 50,
) -> tuple[str, float]:
    """How many films are classified rightly, in words, and the cross entropy; a picture of both.

    Args:
        pure: A ``VideoClassifier`` taken apart.
        params: Its parameters.
        films: (N, T, height, width, channels).
        labels: Their classes, (N,).
        names: Of the classes.
        path: Where the picture goes of what was taken for what.
        batch_size: Films side by side.

    Example:
        >>> import tempfile
        >>> from flax import nnx
        >>> from rnn_jax.models import VideoClassifierConfig, take_apart
        >>> config = VideoClassifierConfig(num_classes=2, frame_shape=(4, 4), hidden_size=2)
        >>> pure, params = take_apart(VideoClassifier(config, rngs=nnx.Rngs(0)))
        >>> films, labels = np.zeros((2, 3, 4, 4, 1)), np.array([0, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = classify_films(pure, params, films, labels, "ab", f"{folder}/a.png")
        >>> "50.00% of 2 right (always the same: 50.0%)" in found[0]
        True
    """
    cuts = [films[k : k + batch_size] for k in range(0, len(films), batch_size)]
    found = np.concatenate([np.asarray(_classify(pure, params, cut)) for cut in cuts])
    said, nats = measured(found, labels)
    counts = np.zeros((len(names),) * 2, int)
    np.add.at(counts, (labels, found.argmax(1)), 1)
    plots.plot_confusion(counts, names, title=said).savefig(path)
    return f"{said} (always the same: {most_frequent(labels):.1%})", nats
