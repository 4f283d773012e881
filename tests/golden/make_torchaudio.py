"""Numbers of torchaudio: ``python tests/golden/make_torchaudio.py``.

Made with torchaudio 2.11.0 (``pip install --no-deps``; its compiled library is not needed) and
torch 2.13.0.
"""

from pathlib import Path

import numpy as np
import torch
from torchaudio import functional, transforms

# name: sample rate, window, hop, transform, bands, lowest, highest frequency, scale, area 1
CASES = {
    "htk": (8000, 200, 80, 200, 15, 20.0, 4000.0, "htk", False),
    "slaney": (8000, 200, 80, 256, 20, 0.0, 3800.0, "slaney", True),
    "emphasis": (8000, 160, 60, 512, 23, 100.0, 4000.0, "htk", True),
}
PRE_EMPHASIS = 0.97


def run(case: str, samples: torch.Tensor) -> dict[str, np.ndarray]:
    rate, window, hop, fft, bands, low, high, scale, area = CASES[case]
    if case == "emphasis":  # torchaudio keeps the first sample as it is
        first = samples[:1] * (1 - PRE_EMPHASIS)
        samples = torch.cat([first, functional.preemphasis(samples, PRE_EMPHASIS)[1:]])
    # It puts the window into the middle of the transform: samples in front move it to the start.
    before = (fft - window) // 2
    samples = torch.nn.functional.pad(samples, (before, fft - window - before))
    mel = transforms.MelSpectrogram(
        sample_rate=rate,
        n_fft=fft,
        win_length=window,
        hop_length=hop,
        f_min=low,
        f_max=high,
        n_mels=bands,
        norm="slaney" if area else None,
        mel_scale=scale,
        center=False,
    ).double()
    # The buffer holds filters rounded to float32; made again, they have float64's digits.
    torch.set_default_dtype(torch.float64)
    norm = "slaney" if area else None
    filters = functional.melscale_fbanks(fft // 2 + 1, low, high, bands, rate, norm, scale)
    mel.mel_scale.fb = filters
    mel.spectrogram.window = torch.hann_window(window)
    ys = torch.log(torch.clamp(mel(samples), min=1e-10)).T
    return {"filters": filters.numpy(), "ys": ys.numpy()}


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(900, generator=generator, dtype=torch.float64) / 4
    numbers = {"samples": samples.numpy()}
    for case in CASES:
        numbers |= {f"{case}_{name}": a for name, a in run(case, samples).items()}
    frames = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    numbers["frames"] = frames.numpy()
    for size in (1, 2):
        slopes = functional.compute_deltas(frames.T[None], 2 * size + 1)[0].T
        numbers[f"deltas_{size}"] = slopes.numpy()
    np.savez_compressed(Path(__file__).with_name("torchaudio.npz"), **numbers)


if __name__ == "__main__":
    main()
