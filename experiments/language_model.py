"""A recurrent language model of characters, bytes, words or subwords, on any text.

    python -m experiments.language_model                      # train; the same again resumes
    python -m experiments.language_model evaluate --dynamic-evaluation --cache
    python -m experiments.language_model sample --prime "The class" --temperature 0.7 --samples 3
    python -m experiments.language_model --preset shakespeare --data input.txt
    python -m experiments.language_model --preset ptb-small --data ptb.train.txt \\
        --validation ptb.valid.txt --test ptb.test.txt

The first takes 280 seconds of one slow CPU core and reaches 1.24 nats per character on the last
tenth of Python's documentation, which is held out (3-gram 1.80, 5-gram 1.42).
"""

import sys
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells, drivers, models, ops
from rnn_jax import train as training
from rnn_jax.data import InputError, corpora, streams, subwords
from rnn_jax.data.errors import refusing
from rnn_jax.losses import Sum
from rnn_jax.train import cli

Cell = Literal["lstm", "gru", "elman", "layer_norm_lstm", "peephole_lstm", "coupled_lstm", "slstm",
               "mgu", "indrnn", "min_gru", "min_lstm", "sru", "qrnn", "lru", "rg_lru"]  # fmt: skip
CELLS = dict(zip(get_args(Cell), (
    cells.LSTM, cells.GRU, cells.Elman, cells.LayerNormLSTM, cells.PeepholeLSTM, cells.CoupledLSTM,
    cells.SLSTM, cells.MinimalGatedUnit, cells.IndRNN, cells.MinGRU, cells.MinLSTM, cells.SRU,
    cells.QRNN, cells.LRU, cells.RGLRU,
), strict=True))  # fmt: skip


@dataclass(frozen=True)
class Config(training.Settings):
    data: str | None = None  # FILE in UTF-8 or tfds:NAME; default: Python's documentation
    validation: str | None = None  # FILE to choose by; default: the last tenth of the data
    test: str | None = None  # FILE for the end
    tokens: corpora.Unit = "characters"
    vocabulary_size: cli.Count = 8000  # most words or subwords
    min_count: cli.Count = 1  # rarer words or characters are unknown
    steps: cli.Count = 1250  # updates
    chunk_size: cli.Count = 64  # tokens between two updates; the state is carried over
    cell: Cell = "lstm"
    driver: Literal["scan", "unrolled", "associative"] = "scan"  # associative: from min_gru on
    embedding_size: cli.Count = 64  # length of a token's vector
    hidden_size: cli.Count = 384  # units of each layer
    num_layers: cli.Count = 1  # one above the other
    tied: bool = False  # output weights are the embedding
    init_scale: cli.Weight = 0.0  # weights begin uniform in +-init_scale; 0: as the cell has it
    forget_bias: float | None = None  # where the forget gate's bias begins; default: the cell's
    embedding_dropout: cli.Probability = 0.0  # of whole tokens
    locked: bool = False  # the next three drop the same features at all steps of a chunk
    input_dropout: cli.Probability = 0.0  # of embedding features
    hidden_dropout: cli.Probability = 0.0  # between layers
    output_dropout: cli.Probability = 0.3  # after the last layer
    weight_dropout: cli.Probability = 0.0  # of recurrent weights
    activation_penalty: cli.Weight = 0.0  # alpha of AWD-LSTM
    temporal_penalty: cli.Weight = 0.0  # beta of AWD-LSTM


# The recipes of the past count epochs; here they are steps of the Penn Treebank (929,589 tokens to
# train on) or of tiny Shakespeare. Where the loss was summed over the T steps of a chunk, rate and
# limit r, c of the sum are r T, c / T of the mean: min(1, c / |T g|) r T g is the same step.
def zaremba(size: int, chunk: int, hold: int, total: int, limit: float, **options: Any) -> Config:
    """Zaremba et al. 2014, arXiv:1409.2329: constant rate for `hold` epochs, then it falls."""
    epoch = 929_588 // (20 * chunk)
    return Config(
        tokens="words", vocabulary_size=10_004, batch_size=20, chunk_size=chunk,
        embedding_size=size, hidden_size=size, num_layers=2, forget_bias=0.0, optimizer="sgd",
        learning_rate=float(chunk), clip_limit=limit / chunk, schedule="staircase",
        warmup_steps=0, hold_steps=hold * epoch, decay_every=epoch, steps=total * epoch,
        eval_every=epoch, **options,
    )  # fmt: skip


def same_dropout(rate: float) -> dict[str, Any]:
    return {"input_dropout": rate, "hidden_dropout": rate, "output_dropout": rate}


PRESETS = {
    "default": Config(),
    "tiny": Config(embedding_size=16, hidden_size=32, batch_size=8, chunk_size=32, steps=60,
                   learning_rate=1e-2, warmup_steps=10, eval_every=30),
    "small": Config(embedding_size=32, hidden_size=128, steps=1000, output_dropout=0.1),
    "shakespeare": Config(output_dropout=0.2, learning_rate=5e-3, steps=2250, eval_every=750),
    "shakespeare-quick": Config(output_dropout=0.0, learning_rate=6e-3, warmup_steps=50, steps=820,
                                eval_every=410),
    "shakespeare-gpu": Config(embedding_size=128, hidden_size=1024, num_layers=2, locked=True,
                              **same_dropout(0.4), weight_dropout=0.3, batch_size=64,
                              chunk_size=128, steps=6000, learning_rate=2e-3, eval_every=500,
                              average="exponential", precision="bfloat16"),
    # github.com/karpathy/char-rnn on tiny Shakespeare: 401 steps an epoch; embedded, not one-hot.
    "char-rnn": Config(embedding_size=64, hidden_size=128, num_layers=2, batch_size=50,
                       chunk_size=50, output_dropout=0.0, init_scale=0.08, optimizer="rmsprop",
                       rms_decay=0.95, learning_rate=2e-3, schedule="staircase", warmup_steps=0,
                       hold_steps=10 * 401, decay_every=401, decay_rate=0.97, steps=50 * 401,
                       eval_every=401, clip="value", clip_limit=5 / 50),
    "ptb-small": zaremba(200, 20, 4, 13, 5, init_scale=0.1, decay_rate=0.5, **same_dropout(0.0)),
    "ptb-medium": zaremba(650, 35, 6, 39, 5, init_scale=0.05, decay_rate=0.8, **same_dropout(0.5)),
    "ptb-large": zaremba(1500, 35, 14, 55, 10, init_scale=0.04, decay_rate=1 / 1.15,
                         **same_dropout(0.65)),
    # Merity et al. 2018, arXiv:1708.02182, but for chunks of varying length: here all have 70.
    "awd-lstm": Config(tokens="words", vocabulary_size=10_004, batch_size=20, chunk_size=70,
                       embedding_size=400, hidden_size=1150, num_layers=3, tied=True,
                       embedding_dropout=0.1, locked=True, input_dropout=0.4, hidden_dropout=0.25,
                       output_dropout=0.4, weight_dropout=0.5, activation_penalty=2.0,
                       temporal_penalty=1.0, weight_decay=1.2e-6, optimizer="sgd",
                       learning_rate=30.0, schedule="constant", warmup_steps=0, clip_limit=0.25,
                       average="triggered", steps=500 * 663, eval_every=663),
}  # fmt: skip


def load_corpus(config: Config) -> corpora.TokenCorpus:
    return corpora.load_tokens(
        config.tokens, config.data, config.validation, config.test,
        size=config.vocabulary_size, min_count=config.min_count,
    )  # fmt: skip


def build(config: Config, vocab_size: int) -> tuple[Any, Any]:
    """The model without its parameters, which makes it again, and the parameters."""
    cell: Any = CELLS[config.cell]
    if config.forget_bias is not None:
        if "forget_bias" not in {field.name for field in fields(cell)}:
            raise InputError(f"forget_bias: {config.cell} has none; leave it out")
        cell = partial(cell, forget_bias=config.forget_bias)
    names = {field.name for field in fields(models.LanguageModelConfig)} & set(vars(config))
    options = {name: getattr(config, name) for name in names}
    options |= {"cell": cell, "driver": getattr(drivers, config.driver), "vocab_size": vocab_size}
    with refusing():
        sizes = models.LanguageModelConfig(**options)
        if config.driver == "associative" and not all(map(cells.is_affine, sizes.cells)):
            raise InputError(f"driver: {config.cell} is not affine: use scan, or another cell")
        model = models.LanguageModel(sizes, rngs=nnx.Rngs(config.seed))
    pure, params = models.take_apart(model)
    if config.init_scale:
        params = models.uniform_matrices(params, jax.random.key(config.seed), config.init_scale)
    return pure, params


def loss(pure: Any, params: Any, carry: Any, chunk: streams.Chunk, key: Any) -> tuple[Sum, Any]:
    """Of the next tokens, with dropout; the state is carried on, but not where streams start."""
    model = pure(params)
    carry = ops.select(jnp.asarray(chunk.first), model.initial_state(len(chunk.inputs)), carry)
    return model.loss(chunk.inputs, chunk.targets, carry, key=key)


def train(config: Config) -> int:
    """Trains a language model on a text; the same command again resumes."""
    config.check()
    corpus = load_corpus(config)
    batches = streams.Streams(corpus.train, config.batch_size, config.chunk_size)
    pure, params = build(config, corpus.vocabulary.size)

    def report(params: Any, done: int) -> training.Report:
        nats = models.held_out_loss(pure, params, corpus.validation)
        key = jax.random.fold_in(jax.random.key(config.seed), done)
        prime = corpus.train[-64:]  # early on a state that has read nothing is unfamiliar
        (tokens,), _ = models.continued(pure, params, prime, key, length=300, temperature=0.8)
        said = f"--- step {done}, held out {corpus.described(nats)}"
        return training.Report(f"{said}\n{corpus.vocabulary.decode(tokens)}\n", nats)

    with training.Run(config, corpus.digest) as run:
        corpus.vocabulary.save(run.path)
        print(corpus)
        return training.fit(
            config, run, partial(loss, pure), params, batches.chunk, report,
            carry=pure(params).initial_state(config.batch_size),
            tokens_per_step=batches.tokens_per_chunk, floors=corpus.floors(),
            unit=corpus.unit_name,
        )  # fmt: skip


@dataclass(frozen=True)
class Evaluation(cli.Saved):
    part: Literal["validation", "test"] = "validation"
    rows: cli.Count = 16  # streams that the text is read in; 1 is slow, and exact to the last digit
    dynamic_evaluation: bool = False  # also with learning from what has been read
    rate: cli.Rate = 1e-4  # of that learning
    decay: cli.Probability = 0.02  # of what is learnt so
    segment: cli.Count = 20  # tokens between two updates
    cache: bool = False  # also with a cache of what followed similar states
    theta: cli.Weight = 0.3  # how similar
    share: cli.Probability = 0.1  # weight of the cache
    window: cli.Count = 2000  # tokens that it holds


@dataclass(frozen=True)
class Prompt(cli.Prompt):  # a prime of - is read from standard input
    top_p: cli.Rate = 1.0  # the most probable tokens that hold so much probability
    samples: cli.Count = 1  # how many continuations


def reload(options: cli.Saved) -> tuple[training.SavedRun, Config, Any, Any, Any]:
    run = training.read_run(options.run_dir)
    config, vocabulary = run.config(Config), subwords.load(run.directory)
    pure, params = build(config, vocabulary.size)
    carry = pure(params).initial_state(config.batch_size)
    return run, config, vocabulary, pure, training.restore_params(run, config, params, carry)


def evaluate(options: Evaluation) -> None:
    """Measures the best model of a run on the whole of a part that was held out."""
    run, config, _, pure, params = reload(options)
    corpus = load_corpus(replace(config, data=str(options.data or "") or config.data))
    if corpus.digest != run.settings["data"]:
        raise InputError(f"data: {config.data or 'the built-in text'} is not the text of this run")
    tokens, part = corpus.part(options.part), options.part
    loss = models.held_out_loss(pure, params, tokens, rows=options.rows)
    print(f"{part}:", corpus.described(loss, part))
    if options.dynamic_evaluation:
        loss = models.dynamic_loss(pure, params, tokens, corpus.train, rate=options.rate,
                                   decay=options.decay, segment=options.segment)  # fmt: skip
        print("with dynamic evaluation:", corpus.described(loss, part))
    if options.cache:
        loss = models.cached_loss(pure, params, tokens, theta=options.theta,
                                  share=options.share, window=options.window)  # fmt: skip
        print("with a neural cache:", corpus.described(loss, part))


def sample(options: Prompt) -> None:
    """Continues a text with the best model of a run; ln p of each sample is said beside it."""
    _, _, vocabulary, pure, params = reload(options)
    with refusing("prime: "):
        prime = sys.stdin.read() if options.prime == "-" else options.prime
    if unknown := vocabulary.unknown(prime):
        raise InputError(f"prime: unknown to this run's vocabulary: {' '.join(unknown[:8])}")
    read, key = vocabulary.encode(prime), jax.random.key(options.seed)
    with refusing():
        found = models.continued(
            pure, params, read, key, length=options.length, rows=options.samples,
            temperature=options.temperature, top_p=options.top_p,
        )  # fmt: skip
    for tokens, log_probs in zip(*found, strict=True):
        said = f"ln p = {log_probs.sum():.1f}, {-log_probs.mean():.3f} nats per token"
        print(f"--- {said}", file=sys.stderr, flush=True)
        print(vocabulary.decode([*read, *tokens]), flush=True)


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.language_model", [train, evaluate, sample], PRESETS))
