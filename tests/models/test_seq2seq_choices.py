"""The translator's choices fit together, and what does not fit is named."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import attention, cells, decoding
from rnn_jax.models.bridges import Bridge, carry_last, check_bridge
from rnn_jax.models.search import weights_of
from tests.models.training import outline
from tests.models.translating import ADDITIVE, LENGTHS, SOURCE, TARGET, make


@pytest.mark.parametrize(
    "options",
    [
        {"bridge": "last", "decoder_size": 20, "num_encoder_layers": 2},
        {"attention": attention.General, "order": "after", "feed": False, "bridge": "zero"},
        {"attention": partial(attention.MultiHead, num_heads=2, head_size=3), "tied": True},
        {"cell": cells.SLSTM, "attention": partial(attention.Concat, score_size=3)},
        {"cell": cells.MinGRU, "num_decoder_layers": 2, "dropout": 0.1},
    ],
)
def test_choices_fit_together(options):
    pure, params = outline(lambda: make(**options))

    def run(params, key):
        model = pure(params)
        loss = model.loss(SOURCE, TARGET, key=key, **LENGTHS)
        return loss, model.step(model.start(abs(SOURCE)), SOURCE[:, 0])[1]

    loss, logits = jax.eval_shape(jax.jit(run), params, jax.random.key(0))
    assert loss.total.shape == () and logits.shape == (3, 8)


def test_bridges_carry_hidden_state_and_memory():
    lstm = cells.LSTM(input_size=2, hidden_size=2)
    ends = [cells.LSTMState(*jnp.arange(4.0).reshape(2, 1, 2) + k) for k in (0, 10, 20, 30)]
    wide = cells.LSTM(input_size=2, hidden_size=4)
    start = cells.LSTMState(jnp.zeros((1, 4)), jnp.zeros((1, 4)))
    pairs = [(ends[0], ends[1]), (ends[2], ends[3])]
    (state,) = jax.jit(lambda pairs: carry_last(pairs, [start], [wide]))(pairs)
    assert state.h.tolist() == [[20, 21, 30, 31]] and state.c.tolist() == [[22, 23, 32, 33]]

    bridge, v = Bridge(3, [lstm, lstm], rngs=nnx.Rngs(0)), jnp.array([[1.0, -2.0, 0.5]])
    low, high = jax.jit(bridge)(v, [ends[0], ends[1]])
    expected = np.tanh(np.asarray(v) @ np.asarray(bridge.map.kernel[...]))[0]
    found = jnp.concatenate([low.h, low.c, high.h, high.c], -1)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)

    counted = cells.TimeIndex(cell=cells.GRU(input_size=3, hidden_size=2))
    begin = counted.initial_state(counted.init(jax.random.key(0)), (1,))
    (state,) = Bridge(3, [counted], rngs=nnx.Rngs(0))(v, [begin])
    assert (state.t == begin.t).all(), "a counter is not carried"


def test_attention_after_the_loop_is_that_of_single_steps():
    """Logits, and the weights in the state by which a beam counts coverage, of two layers."""
    model = make(attention=ADDITIVE, order="after", feed=False, num_decoder_layers=2, tied=True)
    lengths = LENGTHS["source_lengths"]

    @nnx.jit
    def both(model):
        whole = model(SOURCE, model.target_inputs(TARGET), **LENGTHS)
        maps = model.alignments(SOURCE, TARGET, **LENGTHS)
        state, singly = model.start(SOURCE, lengths), []
        for token in model.target_inputs(TARGET).T[:3]:
            state, logits = model.step(state, jnp.maximum(token, 0))
            singly.append((logits, weights_of(state)))
        return whole, maps, singly

    whole, maps, singly = both(model)
    for t, (logits, weights) in enumerate(singly):
        for row, length in enumerate(LENGTHS["target_lengths"].tolist()):
            if t < length:
                np.testing.assert_allclose(logits[row], whole[row, t], atol=1e-5)
                np.testing.assert_allclose(weights[row], maps[row, t], atol=1e-6)
    covered = model.translate(
        SOURCE, lengths, max_length=4, beam_size=2, coverage_penalty=decoding.Coverage(0.2)
    )
    assert bool((covered.scores < 0).all())


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r'bridge="last": layer 0 of the decoder.*hidden_size=2'):
        make(bridge="last")
    with pytest.raises(ValueError, match="each of the 2 decoder layers .* 1 encoder layers"):
        make(bridge="last", num_decoder_layers=2)
    with pytest.raises(ValueError, match=r"bridge must be one of .* got 'first'"):
        check_bridge("first", [], [], [1])
    with pytest.raises(ValueError, match="nothing of the source reaches the decoder"):
        make(bridge="zero", feed=False)
    with pytest.raises(ValueError, match="end must be one of the vocabulary, 0..7, got 8"):
        make(end=8)
    model = make(hidden_size=4)
    with pytest.raises(ValueError, match="source holds 7, but the vocabulary has 7 entries"):
        model.translate(jnp.array([[7]]), max_length=3)
    with pytest.raises(ValueError, match="lengths go from 5 to 5, but source has 4 steps"):
        model.translate(SOURCE[:1], jnp.array([5]), max_length=3)
    with pytest.raises(ValueError, match="beam_size is 1"):
        model.translate(SOURCE[:1], max_length=3, length_penalty=decoding.GNMT())
    with pytest.raises(ValueError, match="the model has no attention"):
        model.alignments(SOURCE, TARGET)
    options = {"max_length": 3, "beam_size": 2, "coverage_penalty": decoding.Coverage(0.2)}
    with pytest.raises(ValueError, match="asks how much was attended to, but the model has no"):
        model.translate(SOURCE[:1], source_lengths=jnp.array([3]), **options)
