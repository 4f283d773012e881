"""The three training steps as they are trained, without data: models, losses and shapes alone."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import attention, models
from rnn_jax.losses import Sum
from rnn_jax.models import take_apart
from rnn_jax.train.parallel import Loss
from rnn_jax.typing import PyTree


class Case(NamedTuple):
    """A task: what ``parallel.train_step`` wants of it."""

    name: str
    sizes: str  # in words
    num_steps: int  # of the longest time loop
    loss: Loss
    params: PyTree  # shapes, as all that follows
    carry: PyTree
    batch: PyTree


def language_model(smoke: bool = False) -> Case:
    """Two LSTM layers, tied weights, state carried over; words, as for Penn Treebank."""
    rows, steps, width, vocab = (8, 6, 16, 32) if smoke else (64, 128, 1024, 10_000)
    config = models.LanguageModelConfig(
        vocab_size=vocab, embedding_size=width, hidden_size=width, num_layers=2, tied=True,
        input_dropout=0.3, hidden_dropout=0.3, output_dropout=0.3,
    )  # fmt: skip

    def loss(pure: Any, params: Any, carry: Any, batch: Any, key: Any) -> tuple[Sum, Any]:
        return pure(params).loss(batch["inputs"], batch["targets"], carry, key=key)

    tokens = _tokens(rows, steps)
    return _case(
        "language model", f"2 LSTM layers of {width}, V={vocab}, B={rows}, T={steps}", steps, loss,
        lambda: models.LanguageModel(config, rngs=nnx.Rngs(0)),
        {"inputs": tokens, "targets": tokens}, lambda model: model.initial_state(rows),
    )  # fmt: skip


def translation(smoke: bool = False) -> Case:
    """Bidirectional GRU, Bahdanau's attention at every step of a GRU, ragged rows; words."""
    rows, steps, width, vocab = (8, 6, 16, 32) if smoke else (64, 48, 512, 8_000)
    config = models.Seq2SeqConfig(
        source_vocab_size=vocab, target_vocab_size=vocab, embedding_size=width, hidden_size=width,
        attention=partial(attention.Additive, score_size=width), tied=True, dropout=0.3,
    )  # fmt: skip

    def loss(pure: Any, params: Any, carry: Any, batch: Any, key: Any) -> tuple[Sum, Any]:
        found = pure(params).loss(
            batch["source"], batch["target"], source_lengths=batch["source_lengths"],
            target_lengths=batch["target_lengths"], key=key,
        )  # fmt: skip
        return found, carry

    tokens, lengths = _tokens(rows, steps), _tokens(rows)
    return _case(
        "translation", f"GRU {width}, additive attention, V={vocab}, B={rows}, T={steps}", steps,
        loss, lambda: models.Seq2Seq(config, rngs=nnx.Rngs(0)),
        {"source": tokens, "source_lengths": lengths, "target": tokens, "target_lengths": lengths},
    )  # fmt: skip


def speech(smoke: bool = False) -> Case:
    """Listen, attend and spell: a pyramid of bidirectional LSTMs, four heads, two LSTMs; CTC."""
    rows, frames, letters, width = (8, 16, 4, 8) if smoke else (32, 512, 64, 256)
    config = models.ListenAttendSpellConfig(
        input_size=80, hidden_size=width, num_layers=4, reductions=(1, 2, 2, 2), vocab_size=32,
        decoder_size=width, attention_size=width // 4, dropout=0.1, ctc_weight=0.2,
    )  # fmt: skip

    def loss(pure: Any, params: Any, carry: Any, batch: Any, key: Any) -> tuple[Sum, Any]:
        found = pure(params).loss(
            batch["features"], batch["labels"], lengths=batch["lengths"],
            label_lengths=batch["label_lengths"], key=key, sampling_rate=0.1,
        )  # fmt: skip
        return found, carry

    features = jax.ShapeDtypeStruct((rows, frames, 80), jnp.float32)
    lengths = _tokens(rows)
    return _case(
        "speech", f"4 LSTM layers of 2 x {width} over {frames} frames, 2 of {width} over "
        f"{letters} letters, CTC, B={rows}", frames, loss,
        lambda: models.ListenAttendSpell(config, rngs=nnx.Rngs(0)),
        {"features": features, "lengths": lengths, "labels": _tokens(rows, letters),
         "label_lengths": lengths},
    )  # fmt: skip


CASES: dict[str, Callable[[bool], Case]] = {
    "language_model": language_model,
    "translation": translation,
    "speech": speech,
}


def _tokens(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.int32)


def _case(
    name: str, sizes: str, num_steps: int, loss: Any, make: Callable[[], Any], batch: PyTree,
    carry: Callable[[Any], Any] = lambda model: (),
) -> Case:  # fmt: skip
    """The shapes of a model's parameters and state; its weights are never drawn."""
    kept: list[Any] = []

    def draw() -> Any:
        model = make()
        pure, params = take_apart(model)
        kept.append(pure)
        return params, carry(model)

    params, state = jax.eval_shape(draw)
    return Case(name, sizes, num_steps, partial(loss, kept[0]), params, state, batch)
