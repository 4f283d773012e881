"""The lecture's character model, and what it writes: before it learns, and as it learns.

    python -m experiments.poetry                              # train; the same again resumes
    python -m experiments.poetry --preset carried             # the same on streams, to compare
    python -m experiments.poetry sample --prime "The " --temperature 0.7
    python -m experiments.poetry --data sonnets.txt

Windows of 60 characters, each from a state of zero; an embedding, two LSTMs, a layer of ReLUs, a
softmax; cross entropy over batch and length; Adam at a constant 0.01. 146 s of one CPU core; 1.30
nats per character of text held out (5-gram 1.42).
"""

import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnn_jax import models, ops
from rnn_jax import train as training
from rnn_jax.data import InputError, corpora, streams, subwords
from rnn_jax.data.errors import refusing
from rnn_jax.train import cli
from rnn_jax.train.optimizers import Schedule


@dataclass(frozen=True)
class Config(training.Settings):
    data: str | None = None  # a text in UTF-8; default: Python's documentation
    window: cli.Count = 60  # characters that are read together
    stride: cli.Count = 30  # from the start of a window to that of the next
    carried: bool = False  # windows follow each other in streams, and the state is carried over
    embedding_size: cli.Count = 32
    hidden_size: cli.Count = 128  # units of each of the two LSTMs
    relu_size: cli.Count = 128  # units of the layer between them and the softmax
    steps: cli.Count = 1200
    eval_every: cli.Count = 400
    learning_rate: cli.Rate = 1e-2
    schedule: Schedule = "constant"
    warmup_steps: cli.Natural = 0
    prime: cli.Text = "The "  # what the samples go on from
    length: cli.Count = 200  # characters of a sample
    temperature: cli.Weight = 1.0  # of the samples


PRESETS = {
    "default": Config(),
    "tiny": Config(embedding_size=8, hidden_size=16, relu_size=16, batch_size=8, steps=40,
                   eval_every=20, length=60),
    "carried": Config(carried=True),
}  # fmt: skip


class Poet(models.LanguageModel):
    """A language model with a layer of ReLUs below its softmax."""

    def __init__(self, config: Config, vocab_size: int) -> None:
        rngs, hidden = nnx.Rngs(config.seed), config.hidden_size
        sizes: Any = {"embedding_size": config.embedding_size, "hidden_size": hidden}
        lstms = models.LanguageModelConfig(vocab_size=vocab_size, num_layers=2, **sizes)
        super().__init__(lstms, rngs=rngs)
        self.between = nnx.Linear(hidden, config.relu_size, rngs=rngs)
        self.output = nnx.Linear(config.relu_size, vocab_size, rngs=rngs)

    def project(self, ys: jax.Array) -> jax.Array:
        return self.output(nnx.relu(self.between(ys)))


class Windows:
    """Windows of a text in an order drawn for each epoch; each begins anew: all are ``first``."""

    def __init__(self, tokens: np.ndarray, config: Config) -> None:
        self.tokens, self.config = tokens, config
        self.starts = np.arange(0, tokens.size - config.window, config.stride)
        if (most := self.starts.size) < config.batch_size:
            raise InputError(f"batch_size: {config.batch_size} windows, but the text has {most}")

    @property
    def chunks_per_epoch(self) -> int:
        return self.starts.size // self.config.batch_size

    def chunk(self, step: int) -> streams.Chunk:
        epoch, place = divmod(step, self.chunks_per_epoch)
        order = np.random.default_rng([self.config.seed, epoch]).permutation(self.starts)
        starts = order[place * self.config.batch_size :][: self.config.batch_size, None]
        at = starts + np.arange(self.config.window)
        return streams.Chunk(self.tokens[at], self.tokens[at + 1], np.asarray(True))


def loss(pure: Any, params: Any, carry: Any, chunk: streams.Chunk, key: Any) -> Any:
    """Of the next characters; the state goes on, but where a window begins anew it is zero."""
    model = pure(params)
    carry = ops.select(jnp.asarray(chunk.first), model.initial_state(len(chunk.inputs)), carry)
    return model.loss(chunk.inputs, chunk.targets, carry)


def write(pure: Any, params: Any, vocabulary: Any, prompt: Any, key: jax.Array) -> str:
    """A prime and what the model goes on with."""
    with refusing("prime: "):
        if unknown := vocabulary.unknown(prompt.prime):
            raise InputError(f"prime: unknown to this text: {' '.join(unknown)}")
        read, length = vocabulary.encode(prompt.prime), prompt.length
        (tokens,), _ = models.continued(pure, params, read, key, length=length,
                                        temperature=prompt.temperature)  # fmt: skip
    return str(vocabulary.decode([*read, *tokens]))


def train(config: Config) -> int:
    """Trains the model on a text; the same command again resumes."""
    corpus = corpora.load_tokens("characters", config.data)
    batches: Any = (streams.Streams(corpus.train, config.batch_size, config.window)
                    if config.carried else Windows(corpus.train, config))  # fmt: skip
    model: Any = Poet(config, corpus.vocabulary.size)
    pure, params = models.take_apart(model)
    key = jax.random.key(config.seed)
    begun = f"--- at initialisation\n{write(pure, params, corpus.vocabulary, config, key)}\n"

    def report(params: Any, done: int) -> training.Report:
        nats = models.held_out_loss(pure, params, corpus.validation)
        epochs = f"--- step {done}, epoch {done / batches.chunks_per_epoch:.1f}, held out "
        text = write(pure, params, corpus.vocabulary, config, jax.random.fold_in(key, done))
        text = f"{epochs}{corpus.described(nats)}\n{text}\n"
        return training.Report(begun * (done <= config.eval_every) + text, nats)

    with training.Run(config, corpus.digest) as run:
        corpus.vocabulary.save(run.path)
        print(corpus)
        return training.fit(
            config, run, partial(loss, pure), params, batches.chunk, report,
            carry=pure(params).initial_state(config.batch_size), floors=corpus.floors(),
            tokens_per_step=config.batch_size * config.window,
        )  # fmt: skip


def sample(options: cli.Prompt) -> None:
    """Continues a text with the best model of a run."""
    config = (run := training.read_run(options.run_dir)).config(Config)
    vocabulary = subwords.load(run.directory)
    pure, params = models.take_apart(Poet(config, vocabulary.size))
    carry = pure(params).initial_state(config.batch_size)
    params = training.restore_params(run, config, params, carry)
    print(write(pure, params, vocabulary, options, jax.random.key(options.seed)))


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.poetry", [train, sample], PRESETS))
