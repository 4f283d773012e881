"""Translation: an encoder and a decoder with attention, from built-in phrases or any parallel text.

    python -m experiments.translation                        # train; the same again resumes
    python -m experiments.translation evaluate --beam-size 5
    echo "am 3. März 2021" | python -m experiments.translation translate
    python -m experiments.translation --preset multi30k --data train.de,train.en \\
        --validation val.de,val.en --test test.de,test.en

The first takes 3 minutes on 2 CPU cores and reaches BLEU 95.7, with a beam of 4 96.0, and
92 % exact translations on what it never saw. The built-in corpus says dates, numbers, amounts and
names in German and English, exactly; what is tested was never trained on. Texts of your own: two
files line for line, or one of two columns.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from flax import nnx

from rnn_jax import attention, cells, decoding, models
from rnn_jax import train as training
from rnn_jax.data import batch, buckets, corpora, pairs, subwords, vocabulary
from rnn_jax.train import cli, parallel
from rnn_jax.train.parallel import Mode


@dataclass(frozen=True)
class Config:
    run_dir: Path | None = None  # where everything goes; default runs/translation/PRESET
    data: str | None = None  # builtin:de-en, SOURCE,TARGET files, FILE.tsv, or tfds:NAME:de-en
    validation: str | None = None  # files to choose by; default: a share of the data
    test: str | None = None  # files for the end; default: another share
    num_pairs: cli.Count | None = None  # built-in ones to train on (20,000), or the first of TFDS
    tokens: corpora.Unit = "characters"
    vocabulary_size: cli.Count = 8000  # most words or subwords
    min_count: cli.Count = 1  # rarer words or characters are unknown
    cell: Literal["gru", "lstm"] = "gru"
    attention: Literal["additive", "dot", "general", "none"] = "additive"
    embedding_size: cli.Count = 64
    hidden_size: cli.Count = 128  # units of each direction and of the decoder
    layers: cli.Count = 1  # of encoder and decoder each
    reverse_source: bool = False  # read from the end, as Sutskever did
    dropout: cli.Probability = 0.1
    label_smoothing: cli.Probability = 0.0
    batch_size: cli.Count = 64
    max_length: cli.Count = 100  # longer sentences are left out
    num_buckets: cli.Count = 5  # shapes of batches, each compiled once
    steps: cli.Count = 1500
    learning_rate: cli.Rate = 3e-3  # of Adam, at its highest
    warmup_steps: cli.Natural = 100
    clip_norm: cli.Rate = 1.0
    eval_every: cli.Count = 250
    seed: cli.Natural = 0
    parallel: Mode = "jit"  # how a step is spread over all devices

    def model(self, sources: vocabulary.Vocabulary, targets: vocabulary.Vocabulary) -> Any:
        score: Any = {
            "additive": partial(attention.Additive, score_size=self.hidden_size),
            "dot": partial(attention.Dot, scaled=True),
            "general": attention.General,
            "none": None,
        }[self.attention]
        config = models.Seq2SeqConfig(
            source_vocab_size=sources.size, target_vocab_size=targets.size,
            embedding_size=self.embedding_size, hidden_size=self.hidden_size,
            num_encoder_layers=self.layers, num_decoder_layers=self.layers,
            cell={"gru": cells.GRU, "lstm": cells.LSTM}[self.cell], attention=score, tied=True,
            reverse_source=self.reverse_source, dropout=self.dropout,
            label_smoothing=self.label_smoothing, start=targets.start, end=targets.end,
        )  # fmt: skip
        return models.Seq2Seq(config, rngs=nnx.Rngs(self.seed))

    @property
    def adam(self) -> Any:
        return training.Optimizer(
            learning_rate=self.learning_rate, schedule="cosine", steps=self.steps,
            warmup_steps=self.warmup_steps, clip_limit=self.clip_norm,
        ).make()  # fmt: skip


PRESETS = {
    "default": Config(),
    "tiny": Config(num_pairs=300, embedding_size=16, hidden_size=24, batch_size=16,
                   max_length=40, num_buckets=1, steps=20, warmup_steps=5, eval_every=20),
    "multi30k": Config(tokens="words", min_count=2, embedding_size=256, hidden_size=256,
                       dropout=0.3, max_length=50, steps=3000, learning_rate=2e-3,
                       warmup_steps=200, eval_every=500),
}  # fmt: skip


def load_corpus(config: Config) -> pairs.PairCorpus:
    return corpora.load_pairs(
        config.data, config.validation, config.test, count=config.num_pairs, seed=config.seed
    )


def loss(pure: Any, params: Any, carry: Any, rows: batch.PairBatch, key: Any) -> Any:
    """Cross entropy of the targets, end symbols included; nothing is carried over batches."""
    found = pure(params).loss(
        rows.source, rows.target, source_lengths=rows.source_lengths,
        target_lengths=rows.target_lengths, key=key,
    )  # fmt: skip
    return found, carry


def translated(pure: Any, params: Any, batches: Any, beam_size: int, limit: int) -> list[Any]:
    """Tokens of the translation of every source, in the order of the data."""
    penalty = {"length_penalty": decoding.GNMT(0.6)} if beam_size > 1 else {}
    found: dict[int, Any] = {}
    for rows in batches.in_order():
        best = pure(params).translate(
            rows.source, rows.source_lengths, max_length=limit, beam_size=beam_size, **penalty
        )
        tokens, lengths = np.asarray(best.tokens), np.asarray(best.lengths)
        places = zip(rows.indices.tolist(), tokens, lengths)
        found |= {place: row[:length] for place, row, length in places if place >= 0}
    return [found[place] for place in sorted(found)]


def scores(hypotheses: list[str], references: list[str], tokenize: str) -> str:
    """BLEU and chrF by sacrebleu, with its signature, and how many sentences are exact."""
    import sacrebleu

    bleu, chrf = sacrebleu.BLEU(tokenize=tokenize), sacrebleu.CHRF()
    found = [
        bleu.corpus_score(hypotheses, [references]),
        chrf.corpus_score(hypotheses, [references]),
    ]
    exact = np.mean([a == b for a, b in zip(hypotheses, references)])
    shown = ", ".join(f"{score.name} {score.score:.1f}" for score in found)
    return f"{shown}, {exact:.1%} exact ({bleu.get_signature()})"


def train(config: Config) -> int:
    """Trains a translator on pairs of sentences; the same command again resumes."""
    corpus = load_corpus(config)
    options: Any = {"size": config.vocabulary_size, "min_count": config.min_count}
    sources = corpora.build_vocabulary(config.tokens, corpus.train.sources, **options)
    targets = corpora.build_vocabulary(config.tokens, corpus.train.targets, **options)
    mesh = parallel.data_mesh(1 if config.parallel == "none" else None)

    def rows(part: pairs.Pairs, **options: Any) -> buckets.PairBatches:
        return buckets.PairBatches(
            [vocabulary.row(sources, line) for line in part.sources],
            [vocabulary.row(targets, line) for line in part.targets],
            batch_size=config.batch_size, max_source_length=config.max_length,
            max_target_length=config.max_length, too_long="drop", multiple_of=mesh.size,
            num_buckets=config.num_buckets, seed=config.seed, **options,
        )  # fmt: skip

    batches = rows(corpus.train)
    held_out = rows(corpus.validation, given_bounds=batches.bounds)
    pure, params = models.take_apart(config.model(sources, targets))
    update = parallel.train_step(partial(loss, pure), config.adam, mesh, config.parallel)
    nats = jax.jit(lambda params, rows: loss(pure, params, (), rows, None)[0])

    def step(state: training.TrainState, done: int) -> Any:
        return update(state, parallel.split_rows(batches.batch(done), mesh))

    def report(state: training.TrainState, done: int) -> str:
        parts = [nats(state.params, some) for some in held_out.in_order()]
        mean = sum(float(p.total) for p in parts) / sum(int(p.count) for p in parts)
        run.log(done, held_out_loss=mean)
        run.draw()
        some = next(held_out.in_order())
        best = pure(state.params).translate(
            some.source, some.source_lengths, max_length=config.max_length
        )
        shown = [
            f"    {sources.decode(a[:n])} -> {vocabulary.sentence(targets, b)}"
            for a, n, b in zip(some.source[:4], some.source_lengths - 1, np.asarray(best.tokens))
        ]
        return f"--- step {done}, held out {mean:.3f} nats per token\n" + "\n".join(shown)

    with training.Run(config, corpus.digest) as run:
        print(corpus, batches, sep="\n")
        sources.save(run.path, "source_vocabulary")
        targets.save(run.path, "target_vocabulary")
        state = training.TrainState.create(params, config.adam, jax.random.key(config.seed))
        tokens = int(batches.lengths.sum() / batches.batches_per_epoch)
        state = parallel.place(state, mesh)
        return training.loop(run, state, step, report, config.steps, config.eval_every, tokens)


@dataclass(frozen=True)
class Evaluate(cli.Saved):
    beam_size: cli.Count = 1  # hypotheses that go on; 1 is greedy
    part: Literal["validation", "test"] = "test"
    tokenize: str = "13a"  # of sacrebleu; "none" for text that is tokenised already


@dataclass(frozen=True)
class Translate(cli.Saved):
    beam_size: cli.Count = 4


def reload(options: cli.Saved) -> Any:
    """Configuration, vocabularies, and the model taken apart, as a run has saved them."""
    run = training.read_run(options.run_dir)
    config = run.config(Config)
    sources, targets = (
        subwords.load(run.directory, f"{side}_vocabulary") for side in ("source", "target")
    )
    pure, params = models.take_apart(config.model(sources, targets))
    state = training.TrainState.create(params, config.adam, jax.random.key(0))
    return config, sources, targets, pure, run.restore(state).params


def translate_lines(options: Any, lines: list[str], saved: Any) -> list[str]:
    config, sources, targets, pure, params = saved
    rows = [vocabulary.row(sources, line) for line in lines]
    batches = buckets.PairBatches(rows, rows, batch_size=config.batch_size)
    limit = 2 * max(map(len, rows)) + 10
    found = translated(pure, params, batches, options.beam_size, limit)
    return [vocabulary.sentence(targets, tokens) for tokens in found]


def evaluate(options: Evaluate) -> None:
    """Translates held-out sentences and compares them with the references."""
    saved = reload(options)
    part = getattr(load_corpus(saved[0]), options.part)
    found = translate_lines(options, list(part.sources), saved)
    print(f"{options.part}: {scores(found, list(part.targets), options.tokenize)}")


def translate(options: Translate) -> None:
    """Translates the lines of standard input, one by one."""
    saved = reload(options)
    lines = [pairs.normalise(line) for line in sys.stdin]
    for line in lines:
        if unknown := saved[1].unknown(line):
            print(f"unknown to the model: {' '.join(unknown)}", file=sys.stderr)
    if lines:
        print("\n".join(translate_lines(options, lines, saved)))


if __name__ == "__main__":
    COMMANDS: Any = (train, evaluate, translate)
    sys.exit(cli.main("python -m experiments.translation", COMMANDS, PRESETS))
