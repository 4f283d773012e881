"""Built-in speech: digits, dates and words that espeak-ng speaks in many voices.

It needs no network and no files: the package espeakng_loader brings espeak-ng (GPL-3), which runs
in a process of its own. What was spoken once lies in a cache with a checksum.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.data import speech_synthesis
from rnn_jax.data.audio import resample
from rnn_jax.data.errors import InputError, extra
from rnn_jax.data.files import write_file
from rnn_jax.data.speech import SpeechCorpus, Utterances
from rnn_jax.data.speech_texts import Kind, draw

ACCENTS = (
    *("gmw/en", "gmw/en-US", "gmw/en-029", "gmw/en-GB-scotland", "gmw/en-GB-x-gbclan"),
    *("gmw/en-GB-x-gbcwmd", "gmw/en-GB-x-rp"),
)
VOICES = {  # no voice is in two parts; each speaks in all accents
    "train": (
        "f1 f2 f4 f5 m1 m2 m3 m5 m6 m8 Alex Alicia Annie Andy Diogo Gene Hugo Lee Mario Michael "
        "adam aunty boris caleb david grandma john linda max paul robert shelby travis zac"
    ).split(),
    "validation": "f3 m4 Denis belinda".split(),
    "test": "m7 Mike Andrea Reed steph victor quincy grandpa".split(),
}
FORMAT = 2  # raise it when what is spoken for the same settings changes


class Job(NamedTuple):
    """One utterance to be spoken."""

    text: str
    voice: str  # accent and variant, as espeak-ng names them
    rate: int  # words a minute
    pitch: int  # 0..100


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """Which speech: the settings decide every sample.

    Args:
        kind: "digits" (one to five), "dates", "words" (one to four) or "digit".
        num_train, num_validation, num_test: utterances of each part.
        sample_rate: in Hz.
        seed: of texts, voices, rates and pitches to train on; the other parts are the same for all
            seeds.

    Raises:
        ValueError: if a number is below 1 or there is no such kind.

    Example:
        >>> spoken = Spoken(kind="digits", num_train=2)
        >>> for job in spoken.jobs("train"):
        ...     print(job)
        Job(text='zero zero', voice='gmw/en-GB-x-gbcwmd+aunty', rate=160, pitch=41)
        Job(text='five six two nine', voice='gmw/en-GB-x-rp+Gene', rate=122, pitch=46)
    """

    kind: Kind = "digits"
    num_train: int = 2000
    num_validation: int = 200
    num_test: int = 300
    sample_rate: int = 8000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_train", "num_validation", "num_test", "sample_rate"):
            if getattr(self, name) < 1:
                raise ValueError(f"Spoken: {name} {getattr(self, name)} must be positive")
        draw(self.kind, np.random.default_rng(0))

    def jobs(self, part: str) -> list[Job]:
        """What is spoken in "train", "validation" or "test"; each depends on its number alone."""
        seed = self.seed if part == "train" else 0
        jobs = []
        for i in range(getattr(self, f"num_{part}")):
            rng = np.random.default_rng([seed, list(VOICES).index(part), i])
            voice = f"{ACCENTS[rng.integers(len(ACCENTS))]}+{rng.choice(VOICES[part])}"
            rate, pitch = int(rng.integers(120, 200)), int(rng.integers(30, 71))
            jobs.append(Job(draw(self.kind, rng), voice, rate, pitch))
        return jobs


def speak(jobs: list[Job]) -> tuple[list[np.ndarray], int]:
    """Speaks the jobs, in a fresh process, so that the same jobs give the same samples.

    Args:
        jobs: in order.

    Returns:
        The samples of each, int16, and the sample rate.

    Raises:
        InputError: if espeak-ng is not installed or fails; the message says what to do.

    Example:
        >>> from importlib.util import find_spec
        >>> if find_spec("espeakng_loader"):
        ...     (samples,), rate = speak([Job("seven", "gmw/en", 160, 50)])
        ...     assert rate == 22050 and len(samples) > 5000
    """
    with extra("speech: the built-in speech, spoken by espeak-ng (GPL-3),", "espeakng_loader"):
        if find_spec("espeakng_loader") is None:  # it is imported in the other process
            raise ModuleNotFoundError
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "speech.npz"
        run = subprocess.run(
            [sys.executable, "-P", speech_synthesis.__file__, str(out)],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
        )
        if run.returncode:
            reason = run.stderr.strip().splitlines()[-1:] or [f"status {run.returncode}"]
            raise InputError(
                f"speech: espeak-ng failed: {reason[0]}; try pip install --force-reinstall "
                "espeakng_loader, or give recordings of your own"
            )
        with np.load(out) as found:
            rows = np.split(found["samples"], np.cumsum(found["lengths"])[:-1])
            return rows, int(found["sample_rate"])


def cache_folder() -> Path:
    """Where spoken corpora are kept: ``$XDG_CACHE_HOME/rnn_jax``, or ``~/.cache/rnn_jax``.

    Example:
        >>> cache_folder().name
        'rnn_jax'
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnn_jax"


def load_spoken(spoken: Spoken, cache: str | Path | None = None) -> SpeechCorpus:
    """The built-in speech as a corpus; spoken once, then read from the cache.

    A cached file whose checksum does not fit is spoken anew, and this is said. No voice is in two
    parts, so validation and test are by unseen speakers.

    Args:
        spoken: which speech; 2,500 utterances of digits take some ten seconds and 60 MB.
        cache: folder; None for `cache_folder`.

    Returns:
        SpeechCorpus.

    Raises:
        InputError: as `speak` says, or if the cache cannot be written.

    Example:
        >>> load_spoken(Spoken(kind="songs"))
        Traceback (most recent call last):
        ValueError: kind must be one of ('digits', 'dates', 'words', 'digit'), got 'songs'
    """
    jobs = {part: spoken.jobs(part) for part in VOICES}
    every = [job for part in VOICES for job in jobs[part]]
    plan = json.dumps([FORMAT, asdict(spoken), every])
    name = f"{spoken.kind}-{hashlib.sha256(plan.encode()).hexdigest()[:16]}.npz"
    path = Path(cache_folder() if cache is None else cache) / name
    content, notes = _cached(path)
    if content is None:
        content = _spoken(every, spoken.sample_rate)
        checksum = hashlib.sha256(content).hexdigest()
        try:
            write_file(path, content)
            write_file(path.with_suffix(".sha256"), checksum.encode())
        except OSError as error:
            raise InputError(
                f"speech: cannot write {path}: {error.strerror}; free some space, or set "
                "XDG_CACHE_HOME to another folder"
            ) from None
    with np.load(io.BytesIO(content)) as found:
        rows = np.split(found["samples"], np.cumsum(found["lengths"])[:-1])
    parts, begin = {}, 0
    for part, own in jobs.items():
        samples = [row.astype(np.float32) / 32768 for row in rows[begin : begin + len(own)]]
        parts[part] = Utterances(
            samples,
            [job.text for job in own],
            [len(row) for row in samples],
            [f"{part}-{i}" for i in range(len(own))],
            [job.voice.partition("+")[2] for job in own],
        )
        begin += len(own)
    return SpeechCorpus(**parts, sample_rate=spoken.sample_rate, notes=tuple(notes))


def _cached(path: Path) -> tuple[bytes | None, list[str]]:
    """The content of a cached file if it is whole, and what is to be said."""
    try:
        content = path.read_bytes()
        checksum = path.with_suffix(".sha256").read_text()
    except OSError:
        return None, []
    if hashlib.sha256(content).hexdigest() != checksum:
        return None, [f"{path} was damaged: spoken anew"]
    return content, []


def _spoken(jobs: list[Job], sample_rate: int) -> bytes:
    """A file with the samples of all jobs end to end, int16, and their lengths."""
    rows, from_rate = speak(jobs)
    rows = [_resampled(row, from_rate, sample_rate) for row in rows]
    file = io.BytesIO()
    lengths = np.array([len(row) for row in rows], np.int64)
    np.savez(file, samples=np.concatenate(rows), lengths=lengths)
    return file.getvalue()


def _resampled(row: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    wide = resample(row.astype(np.float64), from_rate, to_rate)
    return np.clip(np.rint(wide), -32768, 32767).astype(np.int16)
