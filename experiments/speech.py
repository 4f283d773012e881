"""Speech recognition: CTC, listen-attend-spell, both, or a transducer, on any speech.

    python -m experiments.speech                              # train; the same again resumes
    python -m experiments.speech evaluate --beam-size 8
    python -m experiments.speech transcribe FILE.wav ...      # or names of files on stdin
    python -m experiments.speech --preset fsdd --data FOLDER  # isolated digits
    python -m experiments.speech --preset strings-ctc --data strings:FOLDER

Measured, in 5, 4, 7 CPU minutes: word errors 5.7 % (the first); fsdd 99.0 %, strings-ctc 99.2 %.
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tyro.conf import Positional

from rnn_jax import cells, drivers, losses, models, ops, plots
from rnn_jax import train as training
from rnn_jax.data import audio_features, buckets, corpora, subwords, vocabulary
from rnn_jax.data.error_rates import error_rates
from rnn_jax.data.errors import refusing
from rnn_jax.data.recordings import read_recordings
from rnn_jax.data.speech import SpeechCorpus, Utterances
from rnn_jax.data.speech_perturb import perturbed
from rnn_jax.data.speech_sources import load_speech
from rnn_jax.train import cli


@dataclass(frozen=True)
class Config(training.Settings):
    data: str | None = None  # builtin:digits, dates or words; a folder, strings:FOLDER, tfds:NAME
    unseen_speaker: str | None = None  # of FSDD: all of this speaker, and nothing else, is the test
    units: Literal["characters", "words"] = "characters"
    sample_rate: cli.Count = 8000  # Hz; recordings of another one are resampled
    num_bands: cli.Count = 40  # of the log-mel features, a frame every 10 ms
    normalize: audio_features.Normalize = "bands"  # each; single words: "level" or "peak" of all
    copies: cli.Natural = 0  # of the training speech, at other speeds and with noise
    speed_change: cli.Probability = 0.2  # of the copies, and with it of pitch and formants
    band_warp: cli.Probability = 0.0  # formants moved anew at each update, by at most this share
    band_masks: tuple[cli.Natural, cli.Natural] = (2, 8)  # SpecAugment: how many, of most bands
    time_masks: tuple[cli.Natural, cli.Natural] = (2, 20)  # of most frames, and a fifth of all
    model: Literal["las", "ctc", "transducer", "joint"] = "ctc"  # joint: las and ctc
    cell: Literal["gru", "lstm"] = "gru"
    driver: Literal["scan", "unrolled"] = "scan"  # of the encoder
    hidden_size: cli.Count = 96  # units of each direction of the encoder
    layers: cli.Count = 2
    reductions: tuple[cli.Count, ...] = (2, 2)  # neighbouring steps that each layer reads as one
    decoder_size: cli.Count = 96  # of the speller, or of the transducer's labels
    decoder_layers: cli.Count = 1
    embedding_size: cli.Count = 32
    attention_size: cli.Count = 48  # of each head's keys and of the networks that make them
    heads: cli.Count = 2
    ctc_weight: cli.Probability = 0.3  # of the joint model, in loss and search
    sampling_rate: cli.Probability = 0.0  # scheduled sampling: the speller reads its own labels
    sampling_steps: cli.Natural = 0  # updates in which that rate is reached, from 0
    dropout: cli.Probability = 0.2
    label_smoothing: cli.Probability = 0.0
    num_buckets: cli.Count = 3  # shapes of batches, each compiled once

    @property
    def log_mel(self) -> ops.LogMel:
        size = 1 << (self.sample_rate // 20).bit_length()  # above 50 ms: no band is empty
        rate, bands = self.sample_rate, self.num_bands
        return ops.LogMel(sample_rate=rate, num_bands=bands, low_hz=60.0, fft_size=size)

    @property
    def augment(self) -> ops.SpeechAugment:
        masks: Any = {"band_masks": self.band_masks, "time_masks": self.time_masks}
        return ops.SpeechAugment(log_mel=self.log_mel, band_warp=self.band_warp, **masks)

    def make_model(self, labels: vocabulary.Vocabulary) -> Any:
        encoder: Any = dict(
            input_size=self.num_bands, hidden_size=self.hidden_size, num_layers=self.layers,
            reductions=self.reductions, dropout=self.dropout, vocab_size=labels.size,
            cell={"gru": cells.GRU, "lstm": cells.LSTM}[self.cell],
            driver={"scan": drivers.scan, "unrolled": drivers.unrolled}[self.driver],
        )  # fmt: skip
        rngs = nnx.Rngs(self.seed)
        if self.model == "ctc":
            return models.CTCRecogniser(models.CTCRecogniserConfig(**encoder), rngs=rngs)
        encoder["embedding_size"] = self.embedding_size
        if self.model == "transducer":
            sizes = models.TransducerConfig(
                **encoder, prediction_size=self.decoder_size, joint_size=self.decoder_size,
                num_prediction_layers=self.decoder_layers,
            )  # fmt: skip
            return models.Transducer(sizes, rngs=rngs)
        config = models.ListenAttendSpellConfig(
            **encoder, start=labels.start, end=labels.end, decoder_size=self.decoder_size,
            num_decoder_layers=self.decoder_layers, decoder_dropout=self.dropout,
            attention_size=self.attention_size, num_heads=self.heads,
            label_smoothing=self.label_smoothing,
            ctc_weight=self.ctc_weight if self.model == "joint" else 0.0,
        )  # fmt: skip
        return models.ListenAttendSpell(config, rngs=rngs)


PRESETS = {
    "default": Config(steps=1200, eval_every=300),
    "tiny": Config(hidden_size=32, layers=1, reductions=(3,), steps=60, eval_every=30),
    "small": Config(model="joint", hidden_size=192, decoder_size=192, copies=2, steps=10_000),
    "fsdd": (FSDD := Config(
        normalize="level", copies=2, band_masks=(1, 5), time_masks=(1, 5), reductions=(2,),
        steps=2000, eval_every=500, num_buckets=2, average="exponential", average_decay=0.995)),
    "strings-ctc": (STRINGS := replace(FSDD, copies=0, steps=1500)),
    "strings-las": replace(STRINGS, model="las", reductions=(2, 2)),
    "las": Config(model="las", cell="lstm", sample_rate=16_000, hidden_size=256, layers=4,
                  reductions=(1, 2, 2, 2), decoder_size=512, decoder_layers=2, heads=4,
                  embedding_size=64, attention_size=128, sampling_rate=0.1, band_masks=(2, 15),
                  time_masks=(2, 70), label_smoothing=0.1, learning_rate=1e-3,
                  warmup_steps=5000, steps=200_000, eval_every=2000, num_buckets=8),
}  # fmt: skip


def loss(pure: Any, config: Config, params: Any, carry: Any, batch: Any, key: Any = None) -> Any:
    """-ln p of the labels, and how many there are; nothing is carried over batches."""
    (rows, done), options = batch, {}
    if key is not None:
        key, key_augment = jax.random.split(key)
        heard = config.augment(key_augment, rows.source, rows.source_lengths)
        rows = rows._replace(source=heard)
        if config.sampling_rate and config.model in ("las", "joint"):
            share = jnp.minimum(1.0, done / max(1, config.sampling_steps))
            options["sampling_rate"] = config.sampling_rate * share
    found = pure(params).loss(
        rows.source, rows.target, lengths=rows.source_lengths, label_lengths=rows.target_lengths,
        key=key, **options,
    )  # fmt: skip
    return losses.Sum(found.total, jnp.sum(rows.target_lengths, dtype=jnp.int32)), carry


def load_corpus(config: Config, other: Path | None = None) -> SpeechCorpus:
    data, speaker = str(other) if other else config.data, config.unseen_speaker
    return load_speech(data, sample_rate=config.sample_rate, unseen_speaker=speaker)


def batched(config: Config, labels: Any, part: Utterances, like: Any = None) -> Any:
    """Features and labels in batches of like length."""
    return buckets.PairBatches(
        audio_features.spoken_features(part, config.log_mel, config.normalize),
        [labels.encode(text) for text in part.texts],
        batch_size=config.batch_size, num_buckets=config.num_buckets, round_to=8,
        seed=config.seed, given_bounds=like and like.bounds,
    )  # fmt: skip


def draw(path: Path, saved: Any, features: np.ndarray, tokens: np.ndarray) -> None:
    """A picture of a recording and of where each label was heard; none if none was."""
    config, labels, pure, params = saved
    if len(tokens):
        weights = models.speech_alignment(pure, params, features, tokens)
        names, text = [labels.decode([token]) for token in tokens], labels.decode(tokens)
        seconds = len(features) * config.log_mel.hop_ms / 1000
        plots.plot_speech(features, weights, names, seconds=seconds, title=text).savefig(path)


def train(config: Config) -> int:
    """Trains a recogniser of speech; the same command again resumes."""
    corpus = load_corpus(config)
    validation = corpus.part("validation")
    labels = corpora.build_vocabulary(config.units, corpus.train.texts)
    with refusing():
        _ = config.augment
        more = perturbed(corpus.train, config.copies, speed=config.speed_change, seed=config.seed)
        pure, params = models.take_apart(config.make_model(labels))
    batches = batched(config, labels, more)
    held_out = batched(config, labels, validation, like=batches)
    with training.Run(config, corpus.digest) as run:
        print(corpus, *corpus.notes, batches, sep="\n")
        labels.save(run.path)
        nats = jax.jit(lambda params, some: loss(pure, config, params, (), (some, 0))[0])

        def report(params: Any, done: int) -> training.Report:
            mean = losses.merge(*(nats(params, some) for some in held_out.in_order())).mean.item()
            tokens = [b[0][1] for b in models.recognise_all(pure, params, held_out.in_order())]
            texts, said = validation.texts, [labels.decode(row) for row in tokens]
            model = config, labels, pure, params
            draw(run.path / "alignment.png", model, held_out.sources[0], tokens[0])
            text = f"--- step {done}, held out {mean:.3f} nats a label, {error_rates(texts, said)}"
            shown = [f"    {a} -> {b}" for a, b in zip(texts[:4], said)]
            return training.Report("\n".join([text, *shown]), mean)

        return training.fit(
            config, run, partial(loss, pure, config), params,
            lambda done: (batches.batch(done), np.int32(done)), report,
            tokens_per_step=sum(batches.lengths[:, 1]) / batches.batches_per_epoch, unit="label",
        )  # fmt: skip


@dataclass(frozen=True)
class Evaluate(cli.Saved):
    beam_size: cli.Count = 1  # hypotheses that go on; 1 is greedy
    part: Literal["validation", "test"] = "test"


@dataclass(frozen=True)
class Transcribe(cli.Saved):
    files: Positional[tuple[str, ...]] = ()  # recordings; none for names on standard input
    beam_size: cli.Count = 4
    num_best: cli.Count = 1  # hypotheses shown of each, with their scores
    pictures: Path | None = None  # a folder for a picture of each


def reload(options: cli.Saved) -> Any:
    """Configuration, labels, and the model taken apart, as a run has saved them."""
    run = training.read_run(options.run_dir)
    config, labels = run.config(Config), subwords.load(run.directory)
    pure, params = models.take_apart(config.make_model(labels))
    return config, labels, pure, training.restore_params(run, config, params)


def evaluate(options: Evaluate) -> None:
    """Transcribes held-out recordings and compares with what was said."""
    config, labels, pure, params = reload(options)
    part = load_corpus(config, options.data).part(options.part)
    if unknown := sorted({symbol for text in part.texts for symbol in labels.unknown(text)}):
        print(f"unknown to the model: {' '.join(unknown)}", file=sys.stderr)
    batches = batched(config, labels, part).in_order()
    found = models.recognise_all(pure, params, batches, beam_size=options.beam_size)
    said = [labels.decode(best[0][1]) for best in found]
    print(f"{options.part}, {part.size} recordings: {error_rates(part.texts, said)}")


def transcribe(options: Transcribe) -> None:
    """Writes what is said in recordings: file, score and text of each, best first."""
    config, labels, pure, params = saved = reload(options)
    with refusing("files: "):  # names that are not UTF-8
        files = options.files or [line.strip() for line in sys.stdin if line.strip()]
    part, notes = read_recordings(files, config.sample_rate)
    print(*notes, sep="\n", end="\n" * bool(notes), file=sys.stderr)
    batches, beam = batched(config, labels, part), max(options.beam_size, options.num_best)
    found = models.recognise_all(pure, params, batches.in_order(), beam_size=beam)
    for number, (file, frames, best) in enumerate(zip(files, batches.sources, found), 1):
        for score, tokens in best[: options.num_best]:
            print(f"{file}\t{score:.3f}\t{labels.decode(tokens)}")
        if options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            draw(options.pictures / f"{number}-{Path(file).stem}.png", saved, frames, best[0][1])


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.speech", [train, evaluate, transcribe], PRESETS))
