"""Subwords by sentencepiece, and reading whatever vocabulary a run directory holds."""

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from rnn_jax.data import files
from rnn_jax.data import vocabulary as vocabularies
from rnn_jax.data.errors import InputError, extra
from rnn_jax.data.vocabulary import END, PAD, START, UNKNOWN, Vocabulary


@dataclass(frozen=True)
class Subwords:
    """Pieces of words, learned from the training text by the library sentencepiece.

    The text is not changed on the way (no normalisation), so what is known comes back as it was;
    unknown characters come back as U+2047. The end of a line is the token `end`.

    Example:
        >>> vocabulary = Subwords.of(["low lower lowest", "new newer newest"], size=20)
        >>> vocabulary.size, len(vocabulary.encode("lowest")) < 6
        (20, True)
        >>> vocabulary.decode(vocabulary.encode("newer  lowest\\nlow")), vocabulary.unknown("fly")
        ('newer  lowest\\nlow', ('f', 'y'))

    References:
        Sennrich, Haddow and Birch, Neural machine translation of rare words with subword units,
        2016, arXiv:1508.07909.
        Kudo, Subword regularization: improving neural network translation models with multiple
        subword candidates, 2018, arXiv:1804.10959.
        Kudo and Richardson, SentencePiece: a simple and language independent subword tokenizer and
        detokenizer for neural text processing, 2018, arXiv:1808.06226.
    """

    model: bytes = field(repr=False)  # what sentencepiece calls a serialized model proto

    pad: ClassVar[int] = PAD
    start: ClassVar[int] = START
    end: ClassVar[int] = END

    @classmethod
    def of(
        cls, texts: Iterable[str], size: int, model_type: Literal["bpe", "unigram"] = "bpe"
    ) -> "Subwords":
        """Learns `size` tokens: merges of frequent pairs ("bpe") or a unigram model."""
        trainer, model = _sentencepiece().SentencePieceTrainer, io.BytesIO()
        lines = [line for text in texts for line in text.split("\n") if line.strip()]
        if not lines:
            raise InputError("data: no text to learn subwords from")
        try:
            trainer.train(
                sentence_iterator=iter(lines), model_writer=model, vocab_size=size,
                model_type=model_type, pad_id=PAD, bos_id=START, eos_id=END, unk_id=UNKNOWN,
                character_coverage=1.0, normalization_rule_name="identity",
                remove_extra_whitespaces=False, num_threads=1, minloglevel=2,
                # Longer lines would be left out without a word.
                max_sentence_length=10 + max(len(line.encode()) for line in lines),
            )  # fmt: skip
        except RuntimeError as error:
            reason = str(error).rpartition("] ")[2]
            raise InputError(f"data: {size} subwords cannot be learned: {reason}") from None
        return cls(model.getvalue())

    @cached_property
    def processor(self) -> Any:
        try:
            return _sentencepiece().SentencePieceProcessor(model_proto=self.model)
        except RuntimeError:
            raise InputError("vocabulary: this is not a model of sentencepiece") from None

    @property
    def size(self) -> int:
        return self.processor.get_piece_size()

    def encode(self, text: str) -> np.ndarray:
        lines = self.processor.encode(text.split("\n"))
        return np.asarray(vocabularies.joined(lines), np.int32)

    def decode(self, tokens: ArrayLike) -> str:
        return "\n".join(self.processor.decode(vocabularies.lines_of(tokens)))

    def unknown(self, text: str) -> tuple[str, ...]:
        pieces, tokens = self.processor.encode(text, out_type=str), self.processor.encode(text)
        found = (p for p, token in zip(pieces, tokens, strict=True) if token == UNKNOWN)
        return tuple(dict.fromkeys(c for piece in found for c in piece if c not in "\u2581\n"))

    def save(self, directory: str | Path, name: str = "vocabulary") -> None:
        files.write_file(Path(directory) / f"{name}.model", self.model)
        digest = hashlib.sha256(self.model).hexdigest()
        files.write_json(directory, name, {"kind": "subwords", "sha256": digest})


def load(directory: str | Path, name: str = "vocabulary") -> Vocabulary:
    """Reads the vocabulary that ``save`` wrote into a run directory, whatever its kind.

    Args:
        directory: the run directory.
        name: that given to ``save``: a translator has two.

    Raises:
        InputError: if it is not there or not whole.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     vocabularies.Words(("a", "b")).save(directory, "source")
        ...     load(directory, "source")
        Words(words=('a', 'b'))
    """
    path = Path(directory) / f"{name}.json"
    try:
        content = json.loads(path.read_bytes())
        if content["kind"] == "subwords":
            model = path.with_suffix(".model").read_bytes()
            if hashlib.sha256(model).hexdigest() != content["sha256"]:
                raise InputError(f"vocabulary: {path.with_suffix('.model')} is damaged")
            return Subwords(model)
        return _known(content)
    except FileNotFoundError as error:
        raise InputError(
            f"vocabulary: no such file: {error.filename}; is {directory} a run directory?"
        ) from None
    except OSError as error:
        raise InputError(f"vocabulary: cannot read {path}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"vocabulary: {path} is damaged or not a vocabulary") from None


def _known(content: dict[str, Any]) -> Vocabulary:
    if content["kind"] == "characters":
        return vocabularies.Characters(content["symbols"])
    if content["kind"] == "words":
        return vocabularies.Words(tuple(content["words"]))
    if content["kind"] == "bytes":
        return vocabularies.Bytes()
    raise KeyError(content["kind"])


def _sentencepiece() -> Any:
    with extra("subwords", "sentencepiece"):
        import sentencepiece
    return sentencepiece
