"""One to many: a sentence about an image, and where was looked for each of its words.

    python -m experiments.captioning                          # train; the same again resumes
    python -m experiments.captioning evaluate
    python -m experiments.captioning caption FILE.png ... --num-best 3
    python -m experiments.captioning --preset photos --data FOLDER --captions FILE.txt

The first takes 180 CPU seconds: it reads made scenes of shapes and handwritten digits, says of 61 %
of 600, with digits never seen, exactly what they show (always the same: 0.3 %), and for 89 % of
the words that name a thing looks there (chance: 8 %).
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from flax import nnx
from tyro.conf import Positional

from rnn_jax import cells, models
from rnn_jax import train as training
from rnn_jax.data import captioned, ngram, photos, subwords, vocabulary
from rnn_jax.data.errors import InputError, refusing
from rnn_jax.train import cli

CELLS = {"elman": cells.Elman, "gru": cells.GRU, "lstm": cells.LSTM}


@dataclass(frozen=True)
class Config(training.Settings):
    data: str | None = None  # a folder of images, tfds:coco_captions; default: made scenes
    captions: str | None = None  # NAME, tab, caption a line; default captions.txt in the folder
    num_scenes: cli.Count = 6000  # built-in ones to train on
    size: cli.Count = 32  # pixels a side
    min_count: cli.Count = 1  # rarer words are unknown
    max_length: cli.Count = 20  # words of a caption; longer ones are left out
    mode: Literal["attend", "first", "inject"] = "attend"  # places; or their mean, once or always
    hard: bool = False  # attend to one place at a time, drawn, by REINFORCE
    blind: bool = False  # images are black: what the language alone gives
    penalty: cli.Weight = 0.01  # of places that are not looked at once in all, when attending
    entropy: cli.Weight = 0.01  # how much drawn places are kept open
    conv_sizes: tuple[cli.Count, ...] = (32, 64)  # channels; each halves the grid
    cell: Literal["elman", "gru", "lstm"] = "lstm"
    hidden_size: cli.Count = 128  # half of it for a word's vector
    dropout: cli.Probability = 0.1
    beam_size: cli.Count = 4  # in evaluate and caption
    steps: cli.Count = 2000
    eval_every: cli.Count = 500

    def corpus(self, data: str | None = None) -> captioned.CaptionCorpus:
        return captioned.load_captioned(data or self.data, self.captions, size=self.size,
                                        count=self.num_scenes, blind=self.blind)  # fmt: skip

    def model(self, vocab_size: int) -> Any:
        """The model taken apart."""
        attends: Any = {"attention_penalty": self.penalty, "hard": self.hard,
                        "entropy_penalty": self.entropy * self.hard}  # fmt: skip
        config = models.CaptionerConfig(
            vocab_size=vocab_size, mode=self.mode, num_channels=5, conv_sizes=self.conv_sizes,
            kernel_size=5, embedding_size=self.hidden_size // 2 or 1,
            hidden_size=self.hidden_size, cell=CELLS[self.cell], dropout=self.dropout,
            **(attends if self.mode == "attend" else {}),
        )  # fmt: skip
        return models.take_apart(models.Captioner(config, rngs=nnx.Rngs(self.seed)))


PRESETS = {
    "default": Config(), "tell": Config(mode="first"), "hard": Config(hard=True),
    "inject": Config(mode="inject", cell="elman"), "blind": Config(mode="first", blind=True),
    "tiny": Config(num_scenes=400, conv_sizes=(8, 16), hidden_size=32, steps=60, eval_every=30,
                   warmup_steps=5, learning_rate=1e-2),
    "photos": Config(size=96, min_count=5, max_length=30, conv_sizes=(32, 64, 128, 128),
                     hidden_size=256, dropout=0.3, steps=10_000, eval_every=1000),
}  # fmt: skip


def loss(pure: Any, config: Config, params: Any, carry: Any, batch: Any, key: Any) -> Any:
    """Cross entropy of the captions and what attention costs; nothing is carried over batches."""
    images, rows = models.with_coordinates(batch.source), (batch.target, batch.target_lengths)
    usual = models.greedy_reward(pure(params), images, *rows) if config.hard else 0.0
    return pure(params).loss(images, rows[0], lengths=rows[1], key=key, baseline=usual), carry


def train(config: Config) -> int:
    """Trains a captioner; the same command again resumes."""
    corpus = config.corpus()
    some = corpus.validation.first(500)
    words = vocabulary.Words.of(corpus.train.pairs()[1], config.min_count)
    with refusing():
        pure, params = config.model(words.size)
    batches, check = (part.batches(words, config.batch_size, config.max_length, config.seed)
                      for part in (corpus.train, corpus.validation))  # fmt: skip
    said, held_out = (np.concatenate(rows.targets) for rows in (batches, check))
    floors = ngram.floors(said, held_out, words.size, (1, 5))

    with training.Run(config, corpus.digest) as run:
        print(corpus, f"{words.size} words", corpus.floor(some), sep="; ")
        words.save(run.path)

        def report(params: Any, done: int) -> training.Report:
            describe = models.Describer(pure, params, words, config.max_length)
            nats, said = describe.nats(check), describe.look(some, run.path / "captions.png")
            said = f"{ngram.compared(nats, floors, 'word')}, {said}"
            return training.Report(f"--- step {done}, held out {said}", nats)

        return training.fit(
            config, run, partial(loss, pure, config), params, batches.batch, report, unit="word",
            tokens_per_step=config.batch_size * batches.lengths[:, 1].mean(), floors=floors,
        )  # fmt: skip


def reload(options: cli.Saved) -> tuple[Config, models.Describer]:
    """Configuration and captioner of a run, with the parameters that were best."""
    run = training.read_run(options.run_dir)
    config, words = run.config(Config), subwords.load(run.directory)
    pure, params = config.model(words.size)
    params = training.restore_params(run, config, params)
    return config, models.Describer(pure, params, words, config.max_length)


def evaluate(options: cli.Saved) -> None:
    """Describes the test images by a beam; test.png shows some of them."""
    config, describe = reload(options)
    corpus = config.corpus(str(options.data or ""))
    said = describe.look(corpus.test, Path(str(options.run_dir), "test.png"), config.beam_size)
    print(f"test, {len(corpus.test.captions)} images: {said} ({corpus.floor(corpus.test)})")


@dataclass(frozen=True)
class Files(cli.Saved):
    files: Positional[tuple[Path, ...]] = ()  # images
    num_best: cli.Count = 1  # captions of each


def caption(options: Files) -> None:
    """Describes image files: name, ln p over the length's penalty, and caption, a line each."""
    if not options.files:
        raise InputError("files: name at least one image")
    config, describe = reload(options)
    images, count = photos.Photos(options.files, config.size), options.num_best
    found = describe(images, beam_size=max(config.beam_size, count), num_best=count)
    for path, best in zip(options.files, found):
        print(*(f"{path}\t{score:.3f}\t{text}" for text, score in best), sep="\n")


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.captioning", [train, evaluate, caption], PRESETS))
