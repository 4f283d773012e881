"""More speech out of little: copies of recordings that are faster or slower, and noisier."""

import numpy as np

from rnn_jax.data.audio import resample
from rnn_jax.data.speech import Utterances

STEPS = 50  # speeds are multiples of 1 / STEPS: the filters of `resample` stay short


def perturbed(
    utterances: Utterances,
    copies: int,
    *,
    speed: float = 0.2,
    noise_db: tuple[float, float] = (10.0, 50.0),
    seed: int = 0,
) -> Utterances:
    """The utterances themselves, and copies at other speeds and with noise.

    A copy is played faster or slower by a factor drawn uniformly from 1 - speed .. 1 + speed, which
    moves pitch and formants too, as another speaker has them; and white noise is added, its level
    below the speech's in decibel uniform in `noise_db`. Each copy of each utterance draws anew, by
    the seed, the number of the copy and the utterance's place alone.

    Args:
        utterances: of the training part; the others should stay what they are.
        copies: of each utterance, beside itself; 0 for none.
        speed: largest change of speed, in 0..0.5.
        noise_db: least and most decibel from the mean power of the speech down to the noise's.
        seed: of the draws.

    Returns:
        Utterances, (1 + copies) times as many, all in memory; with 0 those given, as they are.

    Raises:
        ValueError: if a number lies out of range.

    Example:
        >>> tone = np.sin(np.arange(1000, dtype=np.float32))
        >>> one = Utterances([tone], ["seven"], [1000], ["a"], ["theo"])
        >>> more = perturbed(one, 2)
        >>> more.lengths.tolist(), more.texts, more.names
        ([1000, 863, 1191], ['seven', 'seven', 'seven'], ['a', 'a*1', 'a*2'])

    References:
        Ko, Peddinti, Povey and Khudanpur, Audio augmentation for speech recognition, 2015,
        Interspeech (speed).
    """
    if copies < 0 or not 0 <= speed <= 0.5 or noise_db[0] > noise_db[1]:
        raise ValueError(
            f"copies={copies} must be >= 0, speed={speed} lie in 0..0.5 and noise_db={noise_db} "
            "rise"
        )
    if not copies:
        return utterances
    samples, names = list(utterances.samples), list(utterances.names)
    for copy in range(1, copies + 1):
        for place in range(utterances.size):
            rng = np.random.default_rng([seed, copy, place])
            factor = round(STEPS * rng.uniform(1 - speed, 1 + speed))
            row = resample(samples[place], factor, STEPS)
            power = np.mean(np.square(row)) * 10 ** (-rng.uniform(*noise_db) / 10)
            noise = np.sqrt(power) * rng.standard_normal(row.shape)
            samples.append((row + noise).astype(row.dtype))
            names.append(f"{utterances.names[place]}*{copy}")
    return Utterances(
        samples,
        list(utterances.texts) * (1 + copies),
        [len(row) for row in samples],
        names,
        list(utterances.speakers) * (1 + copies),
    )
