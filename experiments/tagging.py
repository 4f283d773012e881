"""Aligned many to many: a tag for every word, by a bidirectional LSTM with letters and a chain.

    python -m experiments.tagging                             # train; the same again resumes
    python -m experiments.tagging evaluate
    echo "x = f('a b')  # 1.5" | python -m experiments.tagging predict
    python -m experiments.tagging --preset names --data wnut17train.conll \\
        --validation emerging.dev.conll --test emerging.test.annotated

The first takes about 140 CPU seconds: span F1 98.8 of tokens in files never seen (floor: 65.0).
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
from flax import nnx

from rnn_jax import cells, losses, models, plots
from rnn_jax import train as training
from rnn_jax.data import python_tokens, spans, tagged
from rnn_jax.data.errors import refusing
from rnn_jax.train import cli

CELLS = {"elman": cells.Elman, "gru": cells.GRU, "lstm": cells.LSTM, "sru": cells.SRU}
Cell: Any = Literal[tuple(CELLS)]


@dataclass(frozen=True)
class Config(training.Settings):
    data: str | None = None  # CoNLL files A,B,... or tfds:conll2003; default: tokens of Python
    validation: str | None = None  # a file to choose by; default: a tenth of the data
    test: str | None = None  # a file for the end; default: another tenth
    num_lines: cli.Count = 6000  # of the built-in ones to train on
    vocabulary_size: cli.Count = 20_000  # most words
    min_count: cli.Count = 2  # rarer words are unknown, but for their letters
    cell: Cell = "lstm"  # of every layer
    embedding_size: cli.Count = 64
    letter_size: cli.Count = 16  # length of a letter's vector
    filters: cli.Count = 32  # features of a word's letters
    hidden_size: cli.Count = 64  # units of each direction
    layers: cli.Count = 1
    traits: bool = False  # how words are written and how well known they are is read, too
    outside: cli.Weight = 0.0  # taken off the score of O: finds more spans, fewer of them right
    choose: Literal["nats", "f1"] = "nats"  # which checkpoint is best
    crf: bool = True  # tags are a chain; else each stands by itself
    word_dropout: cli.Probability = 0.1  # of whole words, not of their letters
    dropout: cli.Probability = 0.3  # of a layer's inputs and of the last outputs
    num_buckets: cli.Count = 2  # shapes of batches, each compiled once
    steps: cli.Count = 600
    eval_every: cli.Count = 150

    def corpus(self, data: str | None) -> tagged.TaggedCorpus:
        return tagged.load_tagged(data, self.validation, self.test, count=self.num_lines)

    def model(self, tagger: models.WordTagger) -> Any:
        """The model taken apart."""
        reader = models.ReaderConfig(
            vocab_size=tagger.words.size, embedding_size=self.embedding_size,
            hidden_size=self.hidden_size, num_layers=self.layers, cell=CELLS[self.cell],
            word_dropout=self.word_dropout, dropout=self.dropout)  # fmt: skip
        letters = models.LettersConfig(vocab_size=tagger.letters.size, output_size=self.filters,
                                       embedding_size=self.letter_size)  # fmt: skip
        counts = tagger.traits.sizes if tagger.traits else ()
        config = models.TaggerConfig(num_tags=len(tagger.tags), reader=reader, crf=self.crf,
                                     letters=letters, trait_vocab_sizes=counts)  # fmt: skip
        return models.take_apart(models.Tagger(config, rngs=nnx.Rngs(self.seed)))


PRESETS = {
    "default": Config(),
    "tiny": Config(num_lines=300, embedding_size=16, hidden_size=16, letter_size=8, filters=16,
                   num_buckets=1, steps=60, eval_every=30, warmup_steps=5, learning_rate=1e-2),
    "names": Config(embedding_size=50, filters=50, letter_size=25, traits=True, outside=2.0,
                    choose="f1", word_dropout=0.3, dropout=0.5, learning_rate=5e-3, steps=900,
                    eval_every=300, average="exponential", average_decay=0.995),
}  # fmt: skip


def loss(tagger: Any, pure: Any, params: Any, carry: Any, batch: Any, key: Any = None) -> Any:
    """-ln p of the tags, and how many words there are; nothing is carried over batches."""
    (words, letters, seen), n = tagger.sides(batch.source), batch.source_lengths
    return pure(params).loss(words, batch.target, letters, traits=seen, lengths=n, key=key), carry


def look(said: list[list[str]], part: tagged.Tagged, kinds: Any, path: Path) -> Any:
    """How well the spans of a part were found, and a picture of what was confused."""
    scores, counts = spans.span_scores(part.tags, said), spans.confusion(part.tags, said, kinds)
    plots.plot_confusion(counts, kinds, title=f"span F1 {100 * scores.f1:.2f}").savefig(path)
    return scores


def train(config: Config) -> int:
    """Trains a tagger; the same command again resumes."""
    held_out = (corpus := config.corpus(config.data)).validation
    sizes = corpus.tags, config.min_count, config.vocabulary_size
    tagger = models.WordTagger.of(corpus.train.words, *sizes, config.traits, config.outside)
    with refusing():
        pure, params = config.model(tagger)
    batched = partial(tagger.batches, batch_size=config.batch_size, seed=config.seed,
                      num_buckets=config.num_buckets)  # fmt: skip
    batches, cost = batched(*corpus.train, learnt=True), partial(loss, tagger, pure)
    check, floor = batched(*held_out, bounds=batches.bounds), corpus.floor(held_out)
    nats = jax.jit(lambda params, batch: cost(params, (), batch)[0])
    with training.Run(config, corpus.digest, {"tags": corpus.tags}) as run:
        print(corpus, batches, sep="\n")
        tagger.save(run.path)

        def report(params: Any, done: int) -> training.Report:
            mean = losses.merge(*(nats(params, rows) for rows in check.in_order())).mean.item()
            said = tagger(pure, params, held_out.words)
            found = look(said, held_out, corpus.kinds, run.path / "confusion.png")
            text = f"--- step {done}, held out {mean:.3f} nats a word, {found} ({floor})"
            return training.Report(text, mean, None if config.choose == "nats" else 1 - found.f1)

        rate = batches.lengths[:, 0].sum() / batches.batches_per_epoch
        return training.fit(config, run, cost, params, batches.batch, report,
                            tokens_per_step=rate, unit="word")  # fmt: skip


def reload(options: cli.Saved) -> Any:
    """Configuration, tagger and the model taken apart, as a run has saved them."""
    config = (run := training.read_run(options.run_dir)).config(Config)
    tagger = models.WordTagger.load(run.directory, run.notes["tags"], config.traits, config.outside)
    pure, params = config.model(tagger)
    return config, tagger, pure, training.restore_params(run, config, params)


def evaluate(options: cli.Saved) -> None:
    """Tags the test sentences; test.png shows which kinds were confused."""
    config, tagger, *model = reload(options)
    corpus = config.corpus(str(options.data or "") or config.data)
    training.read_run(options.run_dir).compare_data(corpus.digest, options.data)
    said, path = tagger(*model, corpus.test.words), Path(str(options.run_dir), "test.png")
    print(f"test: {look(said, corpus.test, corpus.kinds, path)} ({corpus.floor(corpus.test)})")


def predict(options: cli.Saved) -> None:
    """Reads a sentence a line from standard input; writes a word and its tag a line."""
    config, tagger, *model = reload(options)
    cut = str.split if config.data else python_tokens.pieces
    lines = [words for line in sys.stdin if (words := cut(line))]
    for words, tags in zip(lines, tagger(*model, lines)) if lines else ():
        print(*(f"{word}\t{tag}" for word, tag in zip(words, tags)), sep="\n", end="\n\n")


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.tagging", [train, evaluate, predict], PRESETS))
