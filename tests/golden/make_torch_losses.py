"""Values and gradients of PyTorch's losses in float64.

python tests/golden/make_torch_losses.py        # writes torch_losses.npz beside it
"""

from pathlib import Path

import numpy as np
import torch

STEPS, ROWS, CLASSES, LABELS = 7, 4, 5, 3


def numbers(case: str, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {"ctc": ctc, "cross_entropy": cross_entropy, "adaptive": adaptive}[case](random)


def few_digits(random: np.random.Generator, *shape: int) -> torch.Tensor:
    values = random.integers(-128, 129, shape) / 64  # so that the file packs small
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def ctc(random: np.random.Generator) -> dict[str, np.ndarray]:
    """The last row is impossible: its labels repeat in too few frames."""
    logits = few_digits(random, STEPS, ROWS, CLASSES)
    labels = torch.tensor(random.integers(1, CLASSES, (LABELS, ROWS)))
    labels[:, 3] = 2
    lengths, label_lengths = torch.tensor([7, 5, 3, 4]), torch.tensor([3, 2, 0, 3])
    losses = torch.nn.functional.ctc_loss(
        logits.log_softmax(-1), labels.T, lengths, label_lengths, reduction="none"
    )
    losses[:3].sum().backward()
    return {
        "logits": logits.detach().numpy(),
        "labels": labels.numpy(),
        "lengths": lengths.numpy(),
        "label_lengths": label_lengths.numpy(),
        "losses": losses.detach().numpy(),
        "gradient": logits.grad.numpy(),
    }


def cross_entropy(random: np.random.Generator) -> dict[str, np.ndarray]:
    """With label smoothing 0.1; the mean over what is not padding."""
    logits = few_digits(random, STEPS, ROWS, CLASSES)
    lengths = np.array([7, 0, 4, 1])
    labels = random.integers(0, CLASSES, (STEPS, ROWS))
    labels[np.arange(STEPS)[:, None] >= lengths] = -1
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), torch.tensor(labels).flatten(), ignore_index=-1, label_smoothing=0.1
    )
    loss.backward()
    return {
        "logits": logits.detach().numpy(),
        "labels": labels,
        "lengths": lengths,
        "mean": loss.detach().numpy(),
        "gradient": logits.grad.numpy(),
    }


def adaptive(random: np.random.Generator) -> dict[str, np.ndarray]:
    """Weights by torch's names, log-probabilities of all words, and the loss of some."""
    module = torch.nn.AdaptiveLogSoftmaxWithLoss(
        8, 10, cutoffs=[3, 6], div_value=2.0, head_bias=True
    ).double()
    weights = {name: few_digits(random, *w.shape) for name, w in module.named_parameters()}
    module.load_state_dict(weights)
    hs = few_digits(random, 6, 8)
    labels = torch.tensor([0, 2, 3, 5, 6, 9])
    output, loss = module(hs, labels)
    loss.backward()
    found = {
        "hs": hs,
        "labels": labels,
        "log_probs": module.log_prob(hs),
        "best": module.predict(hs),
        "output": output,
        "gradient": hs.grad,
    }
    return {name: value.detach().numpy() for name, value in (found | weights).items()}


if __name__ == "__main__":
    cases = ("ctc", "cross_entropy", "adaptive")
    arrays = {f"{case}/{k}": v for case in cases for k, v in numbers(case, 0).items()}
    np.savez_compressed(Path(__file__).with_name("torch_losses.npz"), **arrays)
