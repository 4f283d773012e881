"""What holds of every model: sharded batches, cells of any output size, padding of any kind."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from rnn_jax import attention, cells, models
from rnn_jax.models import ReaderConfig
from tests.models.modes import check_types_in_every_mode
from tests.models.training import outline

CELL = partial(cells.ProjectedLSTM, projection_size=3)  # 3 outputs of 4 units
SIZES = {"hidden_size": 4, "cell": CELL}
READER = ReaderConfig(vocab_size=6, embedding_size=3, **SIZES)
TOKENS, LENGTHS = jnp.full((4, 4), 3), jnp.array([4, 3, 1, 0])
FEATURES, ROWS = jnp.ones((4, 4, 3)), jnp.ones(4, int)
SPEECH = {"input_size": 3, "num_layers": 1, "vocab_size": 6}
MODELS = {
    "LanguageModel": ({"vocab_size": 6, "num_layers": 2}, TOKENS, TOKENS),
    "Classifier": ({"num_classes": 2, "reader": READER}, TOKENS, ROWS),
    "Tagger": (
        {"num_tags": 2, "reader": READER, "letters": models.LettersConfig(vocab_size=4)},
        TOKENS,
        jnp.ones((4, 4), int),
        jnp.ones((4, 4, 3), int),
    ),
    "Forecaster": ({"horizon": 2, "season": 3, "series_size": 3}, FEATURES),
    "VideoClassifier": (
        {"num_classes": 2, "frame_shape": (3, 4), "conv_sizes": (3,)},
        jnp.ones((4, 4, 3, 4, 1)),
        ROWS,
    ),
    "Captioner": ({"vocab_size": 6, "feature_size": 3, "gated": True}, FEATURES, TOKENS),
    "Seq2Seq": (
        {"source_vocab_size": 6, "target_vocab_size": 6, "reverse_source": True}
        | {"attention": attention.General},
        TOKENS,
        TOKENS,
    ),
    "ListenAttendSpell": (
        SPEECH | {"decoder_size": 4, "ctc_weight": 0.3, "decoder_dropout": 0.1},
        FEATURES,
        TOKENS,
    ),
    "CTCRecogniser": (SPEECH | {"reductions": (2,), "channels": (2,)}, FEATURES, TOKENS),
    "Transducer": (SPEECH | {"num_prediction_layers": 2, "prediction_size": 4}, FEATURES, TOKENS),
}
LENGTHS_OF = {"Seq2Seq": "source_lengths"}
SAYS = {
    "Captioner": lambda model, xs, lengths: model.caption(xs, lengths, max_length=2),
    "Seq2Seq": lambda model, xs, n: model.translate(xs, n, max_length=2, beam_size=2),
    "ListenAttendSpell": lambda model, xs, n: model.transcribe(
        xs, lengths=n, max_length=2, beam_size=2, ctc_weight=0.3
    ),
    "CTCRecogniser": lambda model, xs, n: model.transcribe(xs, lengths=n, beam_size=2),
    "Transducer": lambda model, xs, n: model.transcribe(xs, lengths=n, max_symbols=2),
}


def make(name):
    options = MODELS[name][0]
    config = getattr(models, name + "Config")(**({} if "reader" in options else SIZES) | options)
    return getattr(models, name)(config, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("name", MODELS)
def test_types_agree_over_shards_and_cells_may_give_fewer_features(name):
    pure, params = outline(lambda: make(name))

    def loss(params, lengths, *batch):
        options = {LENGTHS_OF.get(name, "lengths"): lengths, "key": jax.random.key(0)}
        if name == "ListenAttendSpell":
            options["sampling_rate"] = 0.5
        found = pure(params).loss(*batch, **options)
        return found[0] if name == "LanguageModel" else found

    def say(params, lengths, inputs, *_):
        return SAYS[name](pure(params), inputs, lengths)

    batch = LENGTHS, *MODELS[name][1:]
    check_types_in_every_mode(loss, params, *batch, rows=say if name in SAYS else None)
