"""A chatbot: an encoder and a decoder with attention learn answers from pairs of lines.

    python -m experiments.dialogue                            # train; the same again resumes
    python -m experiments.dialogue evaluate
    python -m experiments.dialogue chat                       # or: echo "..." | ... chat
    python -m experiments.dialogue --preset lines --data questions.tsv

The built-in questions are about dates, numbers and countries; the test asks for other numbers and
dates, and for facts in another wording. 342 s of one CPU core; 68.7 % are exactly right (the answer
to the nearest question: 20.2 %), most of what is wrong are facts.
"""

import sys
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
from flax import nnx

from rnn_jax import attention, cells, losses, models
from rnn_jax import train as training
from rnn_jax.data import buckets, corpora, dialogue, pairs, questions, subwords, vocabulary
from rnn_jax.data.errors import refusing
from rnn_jax.data.translation_scores import translation_scores
from rnn_jax.models.translator import Translator
from rnn_jax.train import cli

CELLS = {"elman": cells.Elman, "gru": cells.GRU, "lstm": cells.LSTM}


@dataclass(frozen=True)
class Config(training.Settings):
    data: str | None = None  # FILE.tsv, question, tab and answer, or QUESTIONS,ANSWERS in two files
    validation: str | None = None  # files to choose by; default: a share of the data
    test: str | None = None  # files for the end; default: another share
    num_questions: cli.Count = 12_000  # built-in ones to train on
    tokens: corpora.Unit = "characters"
    min_count: cli.Count = 1  # rarer words or characters are unknown
    cell: Literal["elman", "gru", "lstm"] = "gru"  # of both networks
    embedding_size: cli.Count = 48
    hidden_size: cli.Count = 128  # units of each direction and of the decoder
    attention: bool = True  # else the answer comes from one vector alone
    dropout: cli.Probability = 0.0
    max_length: cli.Count = 120  # longer lines are left out
    num_buckets: cli.Count = 3  # shapes of batches, each compiled once
    eval_every: cli.Count = 500
    learning_rate: cli.Rate = 4e-3

    def corpus(self, data: str | None) -> pairs.PairCorpus:
        return dialogue.load_dialogue(data, self.validation, self.test,
                                      count=self.num_questions, seed=self.seed)  # fmt: skip

    def model(self, asked: vocabulary.Vocabulary, said: vocabulary.Vocabulary) -> Any:
        with refusing():
            config = models.Seq2SeqConfig(
                source_vocab_size=asked.size, target_vocab_size=said.size, dropout=self.dropout,
                embedding_size=self.embedding_size, hidden_size=self.hidden_size,
                cell=CELLS[self.cell], attention=attention.General if self.attention else None,
            )  # fmt: skip
            return models.Seq2Seq(config, rngs=nnx.Rngs(self.seed))


PRESETS = {
    "default": Config(),
    "tiny": Config(num_questions=400, embedding_size=16, hidden_size=24, batch_size=16,
                   num_buckets=1, steps=30, warmup_steps=5, eval_every=30),
    "lines": Config(tokens="words", min_count=2, dropout=0.2, hidden_size=256, steps=3000),
}  # fmt: skip


def loss(pure: Any, params: Any, carry: Any, rows: Any, key: Any = None) -> Any:
    """Cross entropy of the answers, end symbols included; nothing is carried over batches."""
    return pure(params).loss(rows.source, rows.target, source_lengths=rows.source_lengths,
                             target_lengths=rows.target_lengths, key=key), carry  # fmt: skip


def train(config: Config) -> int:
    """Trains a chatbot on questions and answers; the same command again resumes."""
    corpus = config.corpus(config.data)
    asked, said = (corpora.build_vocabulary(config.tokens, side, min_count=config.min_count)
                   for side in (corpus.train.sources, corpus.train.targets))  # fmt: skip

    def rows(part: pairs.Pairs, bounds: Any = None) -> buckets.PairBatches:
        return buckets.PairBatches(
            [vocabulary.row(asked, line) for line in part.sources],
            [vocabulary.row(said, line) for line in part.targets],
            batch_size=config.batch_size, num_buckets=config.num_buckets, given_bounds=bounds,
            max_source_length=config.max_length, max_target_length=config.max_length,
            too_long="drop", seed=config.seed,
        )  # fmt: skip

    held_out = rows(corpus.validation, (batches := rows(corpus.train)).bounds)
    some = jax.tree.map(lambda leaf: leaf[:4], next(held_out.in_order()))
    pure, params = models.take_apart(config.model(asked, said))
    nats = jax.jit(lambda params, rows: loss(pure, params, (), rows)[0])

    def report(params: Any, done: int) -> training.Report:
        mean = losses.merge(*(nats(params, rows) for rows in held_out.in_order())).mean.item()
        shown = Translator(pure(params), asked, said).show(some, run.path)
        return training.Report(f"--- step {done}, held out {mean:.3f} nats a token\n{shown}", mean)

    with training.Run(config, corpus.digest) as run:
        print(corpus, batches, sep="\n")
        asked.save(run.path, "question_vocabulary")
        said.save(run.path, "answer_vocabulary")
        return training.fit(
            config, run, partial(loss, pure), params, batches.batch, report, unit="token",
            tokens_per_step=batches.lengths.sum() / batches.batches_per_epoch,
        )  # fmt: skip


@dataclass(frozen=True)
class Answering(cli.Saved):
    beam_size: cli.Count = 1  # answers that are kept in mind; 1 is greedy


def reload(options: Answering) -> tuple[Config, Translator]:
    """Configuration and chatbot of a run, with the parameters that were best."""
    config = (run := training.read_run(options.run_dir)).config(Config)
    sides = [subwords.load(run.directory, f"{side}_vocabulary") for side in ("question", "answer")]
    pure, params = models.take_apart(config.model(*sides))
    return config, Translator(pure(training.restore_params(run, config, params)), *sides)


def evaluate(options: Answering) -> None:
    """Asks the questions of the test; also what the answer to the nearest question is worth."""
    config, bot = reload(options)
    asked, true, _ = (corpus := config.corpus(data := str(options.data or "") or config.data)).test
    said = [best[0].text for best in bot(asked, beam_size=options.beam_size)]
    print(f"test, {len(asked)} questions: {translation_scores(said, true)}")
    for name, lines in dialogue.floors(corpus).items():
        score = translation_scores(lines, true)
        print(f"{name}: {score.exact:.1%} exact, BLEU {score.bleu:.1f}")
    print(f"right by topic: {questions.right_by_topic(said)}" if data is None else "")


def chat(options: Answering) -> None:
    """Answers the questions of standard input, line by line, until it ends."""
    _, bot = reload(options)
    print(prompt := "> " if sys.stdin.isatty() else "", end="", flush=True)
    for line in map(questions.plain, sys.stdin):
        if unknown := bot.sources.unknown(line):
            print(f"unknown: {' '.join(unknown)}", file=sys.stderr)
        ((best, *_),) = bot([line], beam_size=options.beam_size)
        print(f"{best.text}\n{prompt}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.dialogue", [train, evaluate, chat], PRESETS))
