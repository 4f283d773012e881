"""Speech by espeak-ng, in a process of its own: ``python speech_synthesis.py OUT.npz < jobs``.

What espeak-ng says depends on all that it has said before in the same process, and the breath of
some voices is noise that it seeds by the clock. In a fresh process, with a seed of our own before
each job, the same jobs in the same order are the same to the bit. Nothing of rnn_jax is imported,
so that the process starts at once.
"""

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples come through the callback
RATE, PITCH = 1, 3  # espeakRATE in words a minute, espeakPITCH in 0..100
UTF8 = 1  # espeakCHARS_UTF8
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def synthesize(jobs: list[tuple[str, str, int, int]]) -> tuple[list[np.ndarray], int]:
    """Speaks the jobs in order; to be called once in a process.

    Args:
        jobs: (text, voice, words a minute, pitch in 0..100) of each; a voice is a language and
            perhaps a variant, ``gmw/en-US+f3``.

    Returns:
        The samples of each, int16, and the sample rate.

    Raises:
        RuntimeError: if espeak-ng does not start, or there is no such voice or variant.
        ImportError: if espeakng_loader is not installed.

    Example:
        >>> from rnn_jax.data.speech_spoken import speak  # which runs it in a fresh process
    """
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    folder = espeakng_loader.get_data_path()
    sample_rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(folder).encode(), 0)
    if sample_rate < 1:
        raise RuntimeError(f"espeak-ng does not start with its data in {folder}")
    chunks: list[np.ndarray] = []

    @CALLBACK
    def take(samples: Any, count: int, _: Any) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(take)
    seed = getattr(library, "espeak_ng_SetRandSeed", None) or ctypes.CDLL(None).srand
    number = ctypes.c_uint
    library.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, number, ctypes.c_int]
    library.espeak_Synth.argtypes += [number, number, ctypes.c_void_p, ctypes.c_void_p]
    rows = []
    for text, voice, rate, pitch in jobs:
        chunks.clear()
        variant = voice.partition("+")[2]  # a variant that does not exist would pass unsaid
        known = not variant or (Path(folder) / "voices" / "!v" / variant).is_file()
        if not known or library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice}")
        library.espeak_SetParameter(RATE, rate, 0)
        library.espeak_SetParameter(PITCH, pitch, 0)
        seed(0)
        content = text.encode() + b"\0"
        library.espeak_Synth(content, len(content), 0, 0, 0, UTF8, None, None)
        library.espeak_Synchronize()
        rows.append(np.concatenate([np.zeros(0, np.int16), *chunks]))
    return rows, sample_rate


def main() -> None:
    """Reads the jobs as JSON, writes the samples end to end, their lengths and the rate."""
    rows, sample_rate = synthesize(json.load(sys.stdin))
    lengths = np.array([len(row) for row in rows], np.int64)
    samples = np.concatenate([np.zeros(0, np.int16), *rows])
    np.savez(sys.argv[1], samples=samples, lengths=lengths, sample_rate=sample_rate)


if __name__ == "__main__":
    main()
