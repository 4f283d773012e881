"""Translation: an encoder and a decoder with attention, from built-in phrases or any parallel text.

    python -m experiments.translation     # 430 s of a slow CPU core, BLEU 92; again: it resumes
    python -m experiments.translation evaluate --beam-size 5
    echo "am 3. März 2021" | python -m experiments.translation translate --num-best 3
    python -m experiments.translation --preset multi30k --data train.de,train.en \\
        --validation val.de,val.en --test test.de,test.en
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
from flax import nnx

from rnn_jax import attention, cells, decoding, drivers, losses, models
from rnn_jax import train as training
from rnn_jax.data import buckets, corpora, files, pairs, subwords, text, vocabulary
from rnn_jax.data.errors import refusing
from rnn_jax.data.translation_scores import translation_scores
from rnn_jax.models.translator import Translator
from rnn_jax.train import cli

CELLS = {"elman": cells.Elman, "gru": cells.GRU, "layer_norm_lstm": cells.LayerNormLSTM,
         "lru": cells.LRU, "lstm": cells.LSTM, "min_gru": cells.MinGRU,
         "min_lstm": cells.MinLSTM, "sru": cells.SRU}  # fmt: skip
Cell: Any = Literal[tuple(CELLS)]


@dataclass(frozen=True)
class Config(training.Settings):
    data: str | None = None  # builtin:de-en, SOURCE,TARGET files, FILE.tsv, or tfds:NAME:de-en
    validation: str | None = None  # files to choose by; default: a share of the data
    test: str | None = None  # files for the end; default: another share
    num_pairs: cli.Count | None = None  # built-in ones to train on (20,000), or the first of TFDS
    tokens: corpora.Unit = "characters"
    source_tokens: corpora.Unit | None = None  # of the source side; default: as tokens
    vocabulary_size: Annotated[int, cli.Range(5)] = 8000  # most words or subwords of each side
    min_count: cli.Count = 1  # rarer words or characters are unknown
    cell: Cell = "gru"  # of every layer
    driver: Literal["associative", "scan", "unrolled"] = "scan"  # of the encoder
    embedding_size: cli.Count = 64
    hidden_size: cli.Count = 128  # units of each direction and of the decoder
    layers: cli.Count = 1  # of encoder and decoder each
    bidirectional: Literal["all", "first", "none"] = "all"  # layers of the encoder
    reverse_source: bool = False  # read from the end, as Sutskever did
    residual: bool = False  # add what a layer reads to what it gives
    bridge: Literal["learned", "last", "mean", "zero"] = "learned"  # where the decoder begins
    attention: Literal["additive", "general", "scaled", "multi_head", "none"] = "additive"
    order: Literal["before", "after"] = "before"  # attend before the decoder's step, or after it
    input_feeding: bool = True  # of the attentional vector (after); of the last outputs (none)
    tied: bool = True  # output weights are the embedding
    scaled: bool = True  # embeddings by the square root of their size, where they are read
    dropout: cli.Probability = 0.1
    label_smoothing: cli.Probability = 0.0
    sampling: cli.Probability = 0.0  # scheduled, rising from 0: share of own tokens; no dropout
    batch_size: cli.Count = 64  # pairs of a step
    max_length: cli.Count = 100  # sentences of more tokens on either side are left out
    num_buckets: cli.Count = 3  # shapes of batches, each compiled once
    steps: cli.Count = 1000  # updates

    def corpus(self, given: Any) -> pairs.PairCorpus:
        return corpora.load_pairs(given.data, given.validation, given.test,
                                  count=self.num_pairs, seed=self.seed)  # fmt: skip

    def model(self, sources: vocabulary.Vocabulary, targets: vocabulary.Vocabulary) -> Any:
        size = self.hidden_size
        score: Any = {
            "additive": partial(attention.Additive, score_size=size), "general": attention.General,
            "scaled": partial(attention.General, temperature=size**0.5),
            "multi_head": partial(attention.MultiHead, num_heads=4, head_size=-(-size // 4)),
        }.get(self.attention)  # fmt: skip
        with refusing():
            config = models.Seq2SeqConfig(
                source_vocab_size=sources.size, target_vocab_size=targets.size, attention=score,
                embedding_size=self.embedding_size, hidden_size=size, cell=CELLS[self.cell],
                num_encoder_layers=self.layers, num_decoder_layers=self.layers, order=self.order,
                driver=getattr(drivers, self.driver), residual=self.residual, bridge=self.bridge,
                bidirectional=self.bidirectional, reverse_source=self.reverse_source,
                feed=self.input_feeding, tied=self.tied, scaled=self.scaled, dropout=self.dropout,
                label_smoothing=self.label_smoothing,
            )  # fmt: skip
            return models.Seq2Seq(config, rngs=nnx.Rngs(self.seed))


SEPARATE: Any = {"tied": False, "scaled": False}  # embedding and output weights
# Of papers: sizes, rates and batches are theirs, dropout too. SGD falls by a cosine, not by halves.
PRESETS = {
    "default": Config(),
    "tiny": Config(num_pairs=300, embedding_size=16, hidden_size=24, batch_size=16,
                   max_length=40, num_buckets=1, steps=20, warmup_steps=5, eval_every=20),
    "small": Config(num_pairs=5000, embedding_size=32, hidden_size=64, steps=500),
    "multi30k": (MULTI30K := Config(tokens="words", source_tokens="subwords", min_count=2,
        embedding_size=256, hidden_size=256, attention="scaled", order="after", dropout=0.2,
        input_feeding=False, max_length=50, num_buckets=6, steps=3000, eval_every=1000,
        learning_rate=1.5e-3)),
    "multi30k-quick": replace(MULTI30K, steps=1150, dropout=0.15, learning_rate=2.5e-3,
                              num_buckets=5, eval_every=1150),
    # arXiv:1409.3215; theirs had 160,000 source words and plain SGD at 0.7 for 7.5 epochs
    "sutskever": Config(data="tfds:wmt14_translate/fr-en:en-fr", tokens="words",
        vocabulary_size=80_000, cell="lstm", attention="none", input_feeding=False,
        bidirectional="none", reverse_source=True, bridge="last", **SEPARATE, embedding_size=1000,
        hidden_size=1000, layers=4, dropout=0.0, optimizer="sgd", learning_rate=0.7, clip_limit=5.0,
        batch_size=128, steps=700_000, eval_every=10_000),
    # arXiv:1409.0473, RNNsearch-50; theirs had a maxout output and reset before the product
    "bahdanau": Config(data="tfds:wmt14_translate/fr-en:en-fr", tokens="words",
        vocabulary_size=30_000, embedding_size=620, hidden_size=1000, **SEPARATE, dropout=0.0,
        max_length=50, optimizer="adadelta", learning_rate=1.0, schedule="constant", warmup_steps=0,
        batch_size=80, steps=667_000, eval_every=10_000),
    # arXiv:1508.04025, global attention; theirs halved the rate at each epoch after the eighth
    "luong": Config(data="tfds:wmt14_translate/de-en:en-de", tokens="words", vocabulary_size=50_000,
        cell="lstm", attention="general", order="after", bidirectional="none", reverse_source=True,
        bridge="last", **SEPARATE, embedding_size=1000, hidden_size=1000, layers=4, dropout=0.2,
        max_length=50, optimizer="sgd", learning_rate=1.0, clip_limit=5.0, batch_size=128,
        steps=420_000, eval_every=10_000),
    # arXiv:1609.08144; theirs attends with the lowest decoder layer and ends with SGD
    "gnmt": Config(data="tfds:wmt14_translate/de-en:en-de", tokens="subwords",
        vocabulary_size=32_000, cell="lstm", bidirectional="first", residual=True, **SEPARATE,
        embedding_size=1024, hidden_size=1024, layers=8, dropout=0.2, learning_rate=2e-4,
        schedule="constant", clip_limit=5.0, batch_size=128, steps=360_000, eval_every=10_000),
}  # fmt: skip


def loss(config: Config, pure: Any, params: Any, carry: Any, rows: Any, key: Any = None) -> Any:
    """Cross entropy of the targets, end symbols included; nothing is carried over batches."""
    (rows, step), model = rows, pure(params)
    lengths = {"source_lengths": rows.source_lengths, "target_lengths": rows.target_lengths}
    if key is None or not config.sampling:
        return model.loss(rows.source, rows.target, key=key, **lengths), carry
    state = model.start(rows.source, rows.source_lengths, key=key)
    share = decoding.LinearSchedule(slope=config.sampling / config.steps, floor=1 - config.sampling)
    _, logits = decoding.scheduled_sampling(
        pure.step, params, state, model.target_inputs(rows.target).T, key=key,
        rate=share(step), lengths=rows.target_lengths,
    )  # fmt: skip
    return losses.cross_entropy(logits, rows.target.T, lengths=rows.target_lengths,
                                label_smoothing=config.label_smoothing), carry  # fmt: skip


def train(config: Config) -> int:
    """Trains a translator on pairs of sentences; the same command again resumes."""
    config.check()
    corpus = config.corpus(config)
    units = config.source_tokens or config.tokens, config.tokens
    sources, targets = (
        corpora.build_vocabulary(*of, size=config.vocabulary_size, min_count=config.min_count)
        for of in zip(units, (corpus.train.sources, corpus.train.targets), strict=True)
    )

    def rows(part: pairs.Pairs, **options: Any) -> buckets.PairBatches:
        return buckets.PairBatches(
            [vocabulary.row(sources, line) for line in part.sources],
            [vocabulary.row(targets, line) for line in part.targets],
            batch_size=config.batch_size, max_source_length=config.max_length,
            max_target_length=config.max_length, too_long="drop",
            num_buckets=config.num_buckets, seed=config.seed, **options,
        )  # fmt: skip

    batches = rows(corpus.train)
    held_out = rows(corpus.validation, given_bounds=batches.bounds)
    some = jax.tree.map(lambda leaf: leaf[:4], next(held_out.in_order()))
    pure, params = models.take_apart(config.model(sources, targets))
    in_training = partial(loss, config, pure)
    nats = jax.jit(lambda params, rows: in_training(params, (), (rows, 0))[0])
    with refusing():  # choices that do not fit show here, before anything is written
        jax.eval_shape(in_training, params, (), (some, 0), jax.random.key(0))

    def report(params: Any, done: int) -> training.Report:
        mean = losses.merge(*(nats(params, rows) for rows in held_out.in_order())).mean.item()
        shown = Translator(pure(params), sources, targets).show(some, run.path)
        return training.Report(f"--- step {done}, held out {mean:.3f} nats a token\n{shown}", mean)

    with training.Run(config, corpus.digest) as run:
        print(corpus, batches, sep="\n")
        sources.save(run.path, "source_vocabulary")
        targets.save(run.path, "target_vocabulary")
        return training.fit(
            config, run, in_training, params, lambda step: (batches.batch(step), np.int32(step)),
            report, tokens_per_step=batches.lengths.sum() / batches.batches_per_epoch, unit="token",
        )  # fmt: skip


@dataclass(frozen=True)
class Evaluate:
    run_dir: Path | None = None  # where the run is; default runs/translation/PRESET
    data: str | None = None  # its data, validation and test, if they are elsewhere now
    validation: str | None = None
    test: str | None = None
    beam_size: cli.Count = 1  # hypotheses that go on; 1 is greedy
    length_penalty: cli.Weight = 0.6  # GNMT's alpha, for a beam: more makes longer ones
    part: Literal["validation", "test"] = "test"
    tokenize: str = "13a"  # of sacrebleu; "none" for text that is tokenised already


@dataclass(frozen=True)
class Translate:
    run_dir: Path | None = None  # where the run is; default runs/translation/PRESET
    input: Path | None = None  # a file with a sentence a line; default: standard input
    output: Path | None = None  # a file; default: standard output
    beam_size: cli.Count = 4
    length_penalty: cli.Weight = 0.6  # GNMT's alpha, for a beam: more makes longer ones
    num_best: cli.Count = 1  # translations of each line, with its number and their ln p


def reload(run_dir: Path | None) -> tuple[Config, Translator]:
    """Configuration and translator of a run, with the parameters that were best."""
    run = training.read_run(run_dir)
    config = run.config(Config)
    sides = [subwords.load(run.directory, f"{side}_vocabulary") for side in ("source", "target")]
    pure, params = models.take_apart(config.model(*sides))
    return config, Translator(pure(training.restore_params(run, config, params)), *sides)


def evaluate(options: Evaluate) -> None:
    """Translates held-out sentences and compares them with the references."""
    config, translator = reload(options.run_dir)
    given = replace(config, **{name: place for name in ("data", "validation", "test")
                               if (place := getattr(options, name))})  # fmt: skip
    part = getattr(config.corpus(given), options.part)
    found = translator(part.sources, beam_size=options.beam_size, alpha=options.length_penalty)
    score = partial(translation_scores, references=part.targets, tokenize=options.tokenize)
    print(f"{options.part}: {score([best[0].text for best in found])}")
    copied = score(part.sources)
    print(f"to copy the source: BLEU {copied.bleu:.1f}, chrF {copied.chrf:.1f}")


def translate(options: Translate) -> None:
    """Translates the lines of a file or of standard input, one by one."""
    with refusing():
        given = text.read_text(options.input) if options.input else sys.stdin.read()
        lines = [pairs.normalise(line) for line in given.removesuffix("\n").split("\n") if given]
        _, translator = reload(options.run_dir)
        for number, line in enumerate(lines, 1):
            if unknown := translator.sources.unknown(line):
                print(f"line {number}: unknown: {' '.join(unknown)}", file=sys.stderr)
        found = translator(lines, beam_size=options.beam_size, num_best=options.num_best,
                           alpha=options.length_penalty)  # fmt: skip
    files.write_lines(options.output, (
        line if options.num_best == 1 else f"{number}\t{score:.4f}\t{line}"
        for number, best in enumerate(found, 1) for line, score in best
    ))  # fmt: skip


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.translation", [train, evaluate, translate], PRESETS))
