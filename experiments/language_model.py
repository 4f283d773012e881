"""A character language model: LSTM, truncated backpropagation through time, on any text.

    python -m experiments.language_model                      # train; the same again resumes
    python -m experiments.language_model evaluate
    python -m experiments.language_model sample --prime "The class" --temperature 0.7 --length 500
    python -m experiments.language_model --preset shakespeare --data input.txt

The first takes 2 minutes on 2 CPU cores and reaches 1.21 nats per character on the last tenth of
Python's documentation, which is held out (3-gram 1.80, 5-gram 1.42); the last takes 5 minutes and
reaches 1.47 on tiny Shakespeare (github.com/karpathy/char-rnn, split of nanoGPT; 5-gram 1.67).
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnn_jax import cells, decoding, drivers, ops
from rnn_jax import train as training
from rnn_jax.data import ngram, streams, text
from rnn_jax.train import cli


@dataclass(frozen=True)
class Config:
    run_dir: Path | None = None  # where everything goes; default runs/language_model/PRESET
    data: Path | None = None  # a text in UTF-8; default: the documentation of Python itself
    embedding_size: cli.Count = 64  # length of a character's vector
    hidden_size: cli.Count = 384  # units of the LSTM
    dropout: cli.Probability = 0.3  # of the LSTM's outputs
    batch_size: cli.Count = 32  # streams read side by side
    chunk_size: cli.Count = 64  # characters between two updates; the state is carried over
    steps: cli.Count = 2000  # updates
    learning_rate: cli.Rate = 3e-3  # of Adam, at its highest
    warmup_steps: cli.Natural = 100  # of rising rate, at most half of all; then it falls
    clip_norm: cli.Rate = 1.0  # longest gradient
    eval_every: cli.Count = 250  # steps between evaluations, each with sample and checkpoint
    seed: cli.Natural = 0  # of parameters, dropout and samples

    @property
    def cell(self) -> cells.LSTM:
        return cells.LSTM(input_size=self.embedding_size, hidden_size=self.hidden_size)

    @property
    def adam(self) -> optax.GradientTransformation:
        return training.Optimizer(
            learning_rate=self.learning_rate, schedule="cosine", steps=self.steps,
            warmup_steps=self.warmup_steps, clip_limit=self.clip_norm,
        ).make()  # fmt: skip


PRESETS = {
    "default": Config(),
    "tiny": Config(embedding_size=16, hidden_size=32, batch_size=8, chunk_size=32, steps=60,
                   learning_rate=1e-2, warmup_steps=10, eval_every=30),
    "shakespeare": Config(dropout=0.2, chunk_size=100, steps=2500, eval_every=500),
}  # fmt: skip


class Params(NamedTuple):
    embedding: jax.Array  # (V, E)
    lstm: cells.LSTMParams
    w: jax.Array  # (H, V)
    b: jax.Array  # (V,)


class State(NamedTuple):
    """All that the next step depends on, apart from the text."""

    params: Params
    adam: optax.OptState
    carry: cells.LSTMState  # (B, H)
    key: jax.Array
    step: jax.Array


def initial_state(config: Config, vocab_size: int) -> State:
    key, key_e, key_l, key_w = jax.random.split(jax.random.key(config.seed), 4)
    params = Params(
        embedding=jax.random.normal(key_e, (vocab_size, config.embedding_size), jnp.float32),
        lstm=config.cell.init(key_l),
        w=ops.initializers.Glorot()(key_w, (config.hidden_size, vocab_size)),
        b=jnp.zeros(vocab_size, jnp.float32),
    )
    carry = config.cell.initial_state(params.lstm, (config.batch_size,))
    return State(params, config.adam.init(params), carry, key, jnp.asarray(0))


def forward(config: Config, params: Params, tokens: Any, carry: Any = None, key: Any = None) -> Any:
    """Logits (T, B, V) of what follows tokens (T, B), and the state then; no key, no dropout."""
    carry, ys = drivers.scan(config.cell, params.lstm, params.embedding[tokens], carry)
    if key is not None:
        kept = jax.random.bernoulli(key, 1 - config.dropout, ys.shape)
        ys = jnp.where(kept, ys / (1 - config.dropout), 0)
    return ops.affine(ys, params.w, params.b), carry


@partial(jax.jit, static_argnums=0)
def nats(config: Config, params: Params, chunk: Any, carry: Any, key: Any = None) -> Any:
    """-ln p of each target (T, B), and the state after the inputs."""
    logits, carry = forward(config, params, chunk.inputs, carry, key)
    return optax.softmax_cross_entropy_with_integer_labels(logits, chunk.targets), carry


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def train_step(config: Config, state: State, chunk: streams.Chunk) -> tuple[State, dict[str, Any]]:
    def loss_fn(params: Params) -> Any:
        start = config.cell.initial_state(params.lstm, (config.batch_size,))
        carry = ops.select(jnp.asarray(chunk.first), start, state.carry)
        key = jax.random.fold_in(state.key, state.step)
        losses, carry = nats(config, params, chunk, carry, key)
        return losses.mean(), carry

    (loss, carry), gradient = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    updates, adam = config.adam.update(gradient, state.adam)
    params = optax.apply_updates(state.params, updates)
    metrics = {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}
    return State(params, adam, carry, state.key, state.step + 1), metrics


def held_out_loss(config: Config, params: Params, tokens: np.ndarray) -> float:
    """Nats per character over the whole held-out text, the state carried along 16 streams."""
    total, carry = 0.0, config.cell.initial_state(params.lstm, (16,))
    for chunk in streams.full_pass(tokens, 16, config.chunk_size):
        losses, carry = nats(config, params, chunk, carry)
        total += np.sum(losses, where=chunk.mask, dtype=float)
    return total / (tokens.size - 1)


@partial(jax.jit, static_argnums=(0, 4, 5))
def generate(
    config: Config, params: Params, prime: Any, key: Any, length: int, temperature: float
) -> jax.Array:
    """Characters (N,) that continue `prime` (T,); temperature 0 takes the most probable ones."""

    def step(params: Params, carry: Any, token: Any) -> Any:
        logits, carry = forward(config, params, token[None], carry)
        return carry, logits[0]

    choose: Any = decoding.Greedy()
    if temperature > 0:
        choose = decoding.Sample((decoding.Temperature(temperature),))
    carry, read = config.cell.initial_state(params.lstm, (1,)), len(prime) - 1
    found = decoding.decode(step, params, carry, start=prime[:1], prefix=prime[1:, None],
                            max_length=read + length, choose=choose, key=key)  # fmt: skip
    return found.tokens[read:, 0]


def train(config: Config) -> int:
    """Trains a character language model on a text; the same command again resumes."""
    corpus = text.load_corpus(config.data)
    vocabulary, notes = corpus.vocabulary, {"vocabulary": corpus.vocabulary.symbols}
    batches = streams.Streams(corpus.train, config.batch_size, config.chunk_size)

    def step(state: State, done: int) -> tuple[State, dict[str, Any]]:
        return train_step(config, state, batches.chunk(done))

    def report(state: State, done: int) -> str:
        loss = held_out_loss(config, state.params, corpus.held_out)
        key, prime = jax.random.fold_in(jax.random.key(config.seed), done), corpus.train[:1]
        written = vocabulary.decode(generate(config, state.params, prime, key, 300, 0.8))
        run.log(done, held_out_loss=loss)
        run.draw(corpus.floors)
        return f"--- step {done}, held out {ngram.compared(loss, corpus.floors)}\n{written}\n"

    with training.Run(config, corpus.digest, notes) as run:
        print(corpus)
        state, tokens = initial_state(config, vocabulary.size), batches.tokens_per_chunk
        return training.loop(run, state, step, report, config.steps, config.eval_every, tokens)


def reload(options: cli.Saved) -> tuple[training.SavedRun, Config, text.Vocabulary, Params]:
    run = training.read_run(options.run_dir)
    config, vocabulary = run.config(Config), text.Vocabulary(run.notes["vocabulary"])
    return run, config, vocabulary, run.restore(initial_state(config, vocabulary.size)).params


def evaluate(options: cli.Saved) -> None:
    """Measures a trained model on the held-out tenth of its text."""
    run, config, _, params = reload(options)
    corpus = text.load_corpus(options.data or config.data, run.settings["data"])
    loss = held_out_loss(config, params, corpus.held_out)
    print("held out", ngram.compared(loss, corpus.floors))


def sample(options: cli.Prompt) -> None:
    """Continues a text with a trained model."""
    _, config, vocabulary, params = reload(options)
    prime, key = vocabulary.encode(options.prime), jax.random.key(options.seed)
    tokens = generate(config, params, prime, key, options.length, options.temperature)
    print(options.prime + vocabulary.decode(tokens))


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.language_model", [train, evaluate, sample], PRESETS))
