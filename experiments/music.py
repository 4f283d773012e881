"""Polyphonic music: which keys of the piano are down, by an RNN with independent keys or a NADE.

    python -m experiments.music                          # harmony made by rules; resumes
    python -m experiments.music evaluate
    python -m experiments.music sample --given 8         # sample.mid, sample.png
    python -m experiments.music --preset jsb --data JSB_Chorales.mat     # or nade; or a folder

Nats are summed over the 88 keys of a step and averaged over all steps of a part. The first takes
about 60 CPU seconds: 5.7 nats by NADE (per-note Markov 11.9; the rules themselves 2.3).
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
from flax import nnx

from rnn_jax import cells, models, plots
from rnn_jax import train as training
from rnn_jax.data import InputError, buckets, files, midi, rolls
from rnn_jax.data.errors import refusing
from rnn_jax.train import cli

CELLS = {"elman": cells.Elman, "gru": cells.GRU, "lstm": cells.LSTM}


@dataclass(frozen=True)
class Config(training.Settings):
    data: str | None = None  # FILE.mat or a folder of MIDI files; default: made by rules
    steps_per_beat: Annotated[int, cli.Range(1, midi.TICKS)] = 2  # 2: eighth notes, of MIDI
    output: Literal["independent", "nade"] = "independent"  # how the keys of a step depend
    nade_size: cli.Count = 64  # hidden units of the NADE
    cell: Literal["lstm", "gru", "elman"] = "lstm"
    hidden_size: cli.Count = 128
    num_layers: cli.Count = 1
    dropout: cli.Probability = 0.3  # of the layers' outputs
    num_buckets: cli.Count = 2  # shapes of batches, each compiled once
    batch_size: cli.Count = 16
    steps: cli.Count = 600
    eval_every: cli.Count = 50
    learning_rate: cli.Rate = 5e-3

    def model(self) -> Any:
        """The model taken apart."""
        config = models.MusicModelConfig(
            hidden_size=self.hidden_size, num_layers=self.num_layers, cell=CELLS[self.cell],
            nade_size=self.nade_size if self.output == "nade" else None, dropout=self.dropout,
        )  # fmt: skip
        return models.take_apart(models.MusicModel(config, rngs=nnx.Rngs(self.seed)))

    def batches(self, pieces: list[np.ndarray], bounds: Any = None) -> buckets.PairBatches:
        return buckets.PairBatches(
            pieces, [[k] for k in range(len(pieces))], self.batch_size, seed=self.seed,
            num_buckets=self.num_buckets, given_bounds=bounds,
        )  # fmt: skip


PRESETS = {
    "default": Config(output="nade", steps=800, eval_every=200),
    "tiny": Config(hidden_size=32, steps=60, eval_every=30, warmup_steps=5, learning_rate=1e-2),
    "jsb": Config(data="JSB_Chorales.mat"),
    "nade": Config(data="JSB_Chorales.mat", output="nade", steps=500, eval_every=100),
}  # fmt: skip


def loss(pure: Any, params: Any, carry: Any, batch: Any, key: Any) -> Any:
    """-ln p of the keys, and how many steps there are; nothing is carried over batches."""
    return pure(params).loss(batch.source, lengths=batch.source_lengths, key=key), carry


def compose(pure: Any, params: Any, config: Config, pieces: int, steps: int) -> np.ndarray:
    nothing = np.zeros((pieces, 0, midi.NUM_KEYS), np.uint8)
    return np.asarray(models.compose(pure, params, jax.random.key(config.seed), nothing, steps))


def train(config: Config) -> int:
    """Trains the model; the same command again resumes."""
    config.check()
    corpus = rolls.load_rolls(config.data, steps_per_beat=config.steps_per_beat)
    with refusing():
        pure, params = config.model()
    batches = config.batches(corpus.train)
    held_out, floor = config.batches(corpus.validation, batches.bounds), corpus.floors("validation")

    def report(params: Any, done: int) -> training.Report:
        found = models.nats_per_step(pure, params, held_out.in_order())
        made = rolls.spelled(compose(pure, params, config, 1, 8)[0])
        text = f"step {done}, validation: {found:.3f} nats a step ({floor})\n  {made}"
        return training.Report(text, found)

    with training.Run(config, corpus.digest) as run:
        print(corpus, batches, sep="\n")
        return training.fit(
            config, run, partial(loss, pure), params, batches.batch, report, unit="step",
            tokens_per_step=batches.lengths[:, 0].sum() / batches.batches_per_epoch, floors=floor,
        )  # fmt: skip


def reload(options: cli.Saved) -> Any:
    """Configuration, music, and the model taken apart, as a run has saved them."""
    config = (run := training.read_run(options.run_dir)).config(Config)
    data = str(options.data or "") or config.data
    corpus = rolls.load_rolls(data, steps_per_beat=config.steps_per_beat)
    if corpus.digest != run.settings["data"]:
        raise InputError(f"data: {data} is not the music of this run")
    pure, params = config.model()
    return config, corpus, pure, training.restore_params(run, config, params)


def evaluate(options: cli.Saved) -> None:
    """Measures on the test; roll.png shows a piece of it, and what was expected at each step."""
    config, corpus, pure, params = reload(options)
    nats = models.nats_per_step(pure, params, config.batches(corpus.test).in_order())
    scores = rolls.Floors({config.output: nats, **corpus.floors("test")})
    print(f"test, {sum(map(len, corpus.test)):,} steps, nats a step: {scores}")
    if config.data is None:
        scores["chords"] = rolls.share_of_chords(list(compose(pure, params, config, 50, 32)))
        print(f"{scores['chords']:.1%} of the steps of 50 pieces that it makes are chords")
    piece = corpus.test[0][:96]
    chances = jax.nn.sigmoid(jax.jit(lambda params: pure(params).logits(piece[None])[0])(params))
    figure = plots.plot_rolls({"came": piece, "expected": chances}, title=f"test, {nats:.2f} nats")
    figure.savefig(Path(options.run_dir or ".", "roll.png"))
    files.write_json(options.run_dir or ".", "results", {"test": scores})


@dataclass(frozen=True)
class Sample(cli.Saved):
    steps: cli.Count = 64  # to make
    given: cli.Natural = 0  # steps of the first piece of the test, to go on from
    tempo: Annotated[float, cli.Range(midi.SLOWEST, midi.FASTEST)] = 100.0  # quarter notes a minute
    seed: cli.Natural = 0


def sample(options: Sample) -> None:
    """Makes music: sample.mid, sample.png; with --given it goes on from a piece of the test."""
    config, corpus, pure, params = reload(options)
    given, key = corpus.test[0][: options.given], jax.random.key(options.seed)
    drawn = models.compose(pure, params, key, given[None], options.steps)[0]
    made, path = np.concatenate([given, drawn]), Path(options.run_dir or ".", "sample.mid")
    midi.write_midi(path, made, steps_per_beat=config.steps_per_beat, tempo=options.tempo)
    plots.plot_rolls({"made": made}, given={"made": len(given)}).savefig(path.with_suffix(".png"))
    print(f"{path}: {len(made)} steps, the first {len(given)} given\n{rolls.spelled(made[:16])}")


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.music", [train, evaluate, sample], PRESETS))
