"""One name for every source of speech."""

from pathlib import Path
from typing import Any, get_args

from rnn_jax.data.errors import InputError
from rnn_jax.data.speech import SpeechCorpus
from rnn_jax.data.speech_files import load_files
from rnn_jax.data.speech_fsdd import FILE, load_digits
from rnn_jax.data.speech_spoken import Spoken, load_spoken
from rnn_jax.data.speech_texts import Kind

NUM_VALIDATION = 2  # of FSDD's recordings of each digit and speaker, to choose settings by


def load_speech(
    source: str | Path | None = None,
    *,
    sample_rate: int = 8000,
    unseen_speaker: str | None = None,
) -> SpeechCorpus:
    """Speech by the name of its source, with everything else at its default.

    Args:
        source: one of

            - None, "builtin:digits", "builtin:dates", "builtin:words" or "builtin:digit" (a single
              one): spoken by espeak-ng;
            - "strings:FOLDER": connected digits of FSDD's recordings, 5,000 strings to train on;
            - "tfds:NAME": of TensorFlow Datasets, "tfds:librispeech";
            - a folder of recordings DIGIT_SPEAKER_INDEX.wav: isolated digits, official split;
            - another folder: LibriSpeech's layout;
            - a file .tsv, .csv, .json or .jsonl: a manifest.

        sample_rate: in Hz, what the samples shall have.
        unseen_speaker: of FSDD: all recordings of that speaker, and no others, are the test.

    Returns:
        SpeechCorpus; its notes say what was left out, resampled or averaged.

    Raises:
        InputError: if there is no such source, or as its loader says.

    Example:
        >>> load_speech("nowhere")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no such file or folder: nowhere
    """
    if sample_rate < 1:
        raise InputError(f"sample_rate: {sample_rate} Hz; give a positive number, as 8000 or 16000")
    scheme, _, name = str(source or "builtin:digits").partition(":")
    options: Any = {"sample_rate": sample_rate, "num_validation": NUM_VALIDATION}
    options["unseen_speaker"] = unseen_speaker
    if scheme == "strings":
        return load_digits(name, num_strings=5000, **options)
    path = Path(str(source))
    folder = path / "recordings" if (path / "recordings").is_dir() else path
    if folder.is_dir() and any(FILE.fullmatch(file.name) for file in folder.iterdir()):
        return load_digits(path, **options)
    if unseen_speaker is not None:
        raise InputError(
            f"unseen_speaker: {unseen_speaker!r} can be left out of FSDD alone, whose recordings "
            "are named DIGIT_SPEAKER_INDEX.wav"
        )
    if scheme == "builtin":
        if name not in get_args(Kind):
            raise InputError(f"data: no built-in speech {name!r}: {', '.join(get_args(Kind))}")
        # mypy does not see that the name has just been found among the kinds
        return load_spoken(Spoken(kind=name, sample_rate=sample_rate))  # type: ignore[arg-type]
    if scheme == "tfds":
        from rnn_jax.data.speech_tfds import load_tfds

        return load_tfds(name, sample_rate)
    if not path.exists():
        raise InputError(f"data: no such file or folder: {path}")
    return load_files(path, sample_rate)
