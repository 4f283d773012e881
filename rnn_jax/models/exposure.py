"""Exposure bias: what a decoder gives to impossible symbols, along the truth and by itself."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import cells, decoding
from rnn_jax.data.processes import Process
from rnn_jax.decoding.base import Step
from rnn_jax.typing import Params, State


@dataclass(frozen=True)
class Imitator:
    """A GRU that learns a process symbol by symbol, and the judge of professor forcing.

    Example:
        >>> model = Imitator(Process("copy", 4, 3), hidden_size=5, judge_size=2)
        >>> params = model.init(jax.random.key(0))
        >>> model.begin(params, jnp.zeros((8, 2), jnp.int32)).h.shape
        (2, 5)
    """

    process: Process
    hidden_size: int
    judge_size: int  # units of each direction of the discriminator
    embedding_size: int = 16

    @property
    def step(self) -> Any:
        """The decoder's step: a symbol in, logits of the next one out."""
        cell = cells.GRU(input_size=self.embedding_size, hidden_size=self.hidden_size)
        return decoding.TokenStep(cell=cell)

    @property
    def judge(self) -> decoding.Discriminator:
        """Tells the taught from the free by states and probabilities."""
        size = self.hidden_size + self.process.num_symbols
        return decoding.Discriminator(behaviour_size=size, hidden_size=self.judge_size)

    def init(self, key: jax.Array) -> dict[str, Params]:
        """Parameters of the "decoder" and of the "judge"."""
        one, other = jax.random.split(key)
        decoder = self.step.init(one, vocab_size=self.process.num_symbols)
        return {"decoder": decoder, "judge": self.judge.init(other)}

    def begin(self, params: dict[str, Params], tokens: jax.Array) -> State:
        """The state before the last given symbol of tokens (T, B) is read."""
        decoder, known = params["decoder"], self.process.given - 1
        state = self.step.initial_state(decoder, tokens.shape[1:])
        if known:
            state, _ = decoding.teacher_forced(self.step, decoder, state, tokens[:known])
        return state

    def exposure(
        self, params: dict[str, Params], rows: int, length: int, seed: int
    ) -> dict[str, np.ndarray]:
        """``exposure`` over so many new sequences, that many steps after what is given."""
        rng = np.random.default_rng([seed, 1])
        tokens = self.process.draw(rng, rows, self.process.given + length)
        state, key = self.begin(params, jnp.asarray(tokens.T)), jax.random.key(seed)
        return exposure(self.process, self.step, params["decoder"], state, tokens, key)


@partial(jax.jit, static_argnums=0)
def _run(step: Step, params: Params, state: State, read: jax.Array, key: jax.Array) -> Any:
    _, taught = decoding.teacher_forced(step, params, state, read)
    free = decoding.free_running(
        step, params, state, read[0], num_steps=len(read), choose=decoding.Sample(), key=key
    )
    return jax.nn.softmax(taught), jax.nn.softmax(free.logits), free.tokens


def exposure(
    process: Process, step: Step, params: Params, state: State, tokens: np.ndarray, key: jax.Array
) -> dict[str, np.ndarray]:
    """The probability of what is impossible at each step: along the truth, and along roll-outs.

    Where the second is larger the decoder goes wrong because it reads what it has said itself.

    Args:
        process: What the decoder has learnt.
        step: A decoder's step.
        params: Its parameters.
        state: Its state before the last given symbol is read, leaves (B, ...).
        tokens: Sequences of the process (B, L + T), L symbols of which are given.
        key: Draws the roll-outs.

    Returns:
        "truth" and "own", (T,) each, the mean over the sequences.

    Example:
        >>> def guess(params, state, token):  # all symbols alike, two of four are neighbours
        ...     return state, jnp.zeros((*token.shape, 4))
        >>> walk = Process("walk", 4, 1)
        >>> tokens = walk.draw(np.random.default_rng(0), 2, 4)
        >>> exposure(walk, guess, (), (), tokens, jax.random.key(0))["own"].tolist()
        [0.5, 0.5, 0.5]

    References:
        He, Zhang, Zhou and Glass, Exposure bias versus self-recovery: are distortions really
        incremental for autoregressive text generation?, 2021, arXiv:1905.10617.
    """
    read = jnp.asarray(tokens[:, process.given - 1 : -1].T)
    taught, free, said = jax.device_get(_run(step, params, state, read, key))
    own = np.concatenate([tokens[:, : process.given], said.T], axis=1)
    found = {}
    for name, path, shares in (("truth", tokens, taught), ("own", own, free)):
        wrong = np.where(process.possible(path), 0, shares.swapaxes(0, 1))
        found[name] = wrong.sum(axis=-1).mean(axis=0)
    return found
