"""Optimizers as recurrent networks want them: from Optax, by name, in the right order."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import optax

from rnn_jax.typing import Params

Name = Literal["adam", "adagrad", "adadelta", "lion", "rmsprop", "sgd"]
Schedule = Literal["constant", "cosine", "exponential", "inverse_sqrt", "linear", "staircase"]
Clip = Literal["norm", "leaf", "value", "adaptive"]


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What happens to a gradient before it moves the parameters, in this order.

        g <- mean over ``accumulate`` batches
        g <- clip(g, clip_limit)
        u <- name(g)                                moments, signs, momentum
        u <- u + weight_decay * params              decoupled: it does not pass through the moments
        params <- params - rate(step) * u

    Args:
        name: The rule: "sgd" with ``momentum``, "adam", "rmsprop", "adagrad", "adadelta", "lion",
            with Optax' defaults beside what is named here.
        learning_rate: The highest rate.
        schedule: "constant"; "cosine" and "linear" fall to ``end_share`` at step ``steps``,
            "exponential" falls by the same factor at each step; "inverse_sqrt" as sqrt(w / step)
            from the end of the warm-up w on; "staircase" stays until update ``hold_steps``, there
            and every ``decay_every`` updates later it falls to ``decay_rate`` of what it was.
        steps: Updates in all, which the falling schedules want to know.
        warmup_steps: Updates during which the rate rises from 0; at most half of ``steps``.
        end_share: What is left of the rate in the end.
        hold_steps: Of "staircase"; counted from the first update, the warm-up included.
        decay_every: Of "staircase", updates between two falls.
        decay_rate: Of "staircase", in (0, 1].
        clip: "norm" bounds the norm over all parameters together (Pascanu 2013), "leaf" that of
            each array, "value" each element, "adaptive" each unit's by the norm of its weights.
        clip_limit: The bound; None for no clipping.
        weight_decay: Share of the weights that is taken away, times the rate; arrays of less than
            two axes (biases, gains) are left alone.
        momentum: Of "sgd".
        beta1: Of the first moment ("adam", "lion").
        beta2: Of the second moment ("adam", "lion").
        rms_decay: Of the mean square ("rmsprop").
        accumulate: Batches for one update.

    Raises:
        ValueError: For an unknown name, or a number out of range.

    Example:
        >>> import jax.numpy as jnp
        >>> plain = Optimizer(name="sgd", learning_rate=0.5, clip_limit=1.0).make()
        >>> params = {"w": jnp.zeros(2)}
        >>> updates, _ = plain.update({"w": jnp.array([3.0, -4.0])}, plain.init(params), params)
        >>> [round(float(u), 3) for u in updates["w"]]
        [-0.3, 0.4]

    References:
        Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013,
        arXiv:1211.5063.
        Loshchilov and Hutter, Decoupled weight decay regularization, 2019, arXiv:1711.05101.
        Brock et al., High-performance large-scale image recognition without normalization, 2021,
        arXiv:2102.06171 (adaptive clipping).
    """

    name: Name = "adam"
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    steps: int | None = None
    warmup_steps: int = 0
    end_share: float = 0.01
    hold_steps: int = 0
    decay_every: int = 1000
    decay_rate: float = 0.5
    clip: Clip = "norm"
    clip_limit: float | None = 1.0
    weight_decay: float = 0.0
    momentum: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    rms_decay: float = 0.9
    accumulate: int = 1

    def __post_init__(self) -> None:
        for field, kind in (("name", Name), ("schedule", Schedule), ("clip", Clip)):
            if getattr(self, field) not in get_args(kind):
                raise ValueError(
                    f"Optimizer: {field} must be one of {get_args(kind)}, got "
                    f"{getattr(self, field)!r}."
                )
        falls = self.schedule in ("cosine", "exponential", "linear")
        if falls and not (isinstance(self.steps, int) and self.steps >= 1):
            raise ValueError(
                f'Optimizer: schedule="{self.schedule}" falls until the last step: give steps '
                f">= 1, got {self.steps!r}."
            )
        bounds = {
            "learning_rate": self.learning_rate > 0,
            "warmup_steps": self.warmup_steps >= 0,
            "end_share": 0 < self.end_share <= 1,
            "hold_steps": self.hold_steps >= 0,
            "decay_every": self.decay_every >= 1,
            "decay_rate": 0 < self.decay_rate <= 1,
            "clip_limit": self.clip_limit is None or self.clip_limit > 0,
            "weight_decay": self.weight_decay >= 0,
            "momentum": 0 <= self.momentum < 1,
            "beta1": 0 <= self.beta1 < 1,
            "beta2": 0 <= self.beta2 < 1,
            "rms_decay": 0 <= self.rms_decay < 1,
            "accumulate": isinstance(self.accumulate, int) and self.accumulate >= 1,
        }
        if wrong := [field for field, holds in bounds.items() if not holds]:
            values = ", ".join(f"{field}={getattr(self, field)!r}" for field in wrong)
            raise ValueError(f"Optimizer: out of range: {values}.")

    def rate(self) -> optax.Schedule:
        """The learning rate as a function of the number of updates made."""
        peak, warmup = self.learning_rate, self.warmup_steps
        if self.steps is not None:
            warmup = min(warmup, self.steps // 2)
        rest = max((self.steps or 1) - warmup, 1)
        after: optax.Schedule
        if self.schedule == "cosine":
            after = optax.cosine_decay_schedule(peak, rest, self.end_share)
        elif self.schedule == "linear":
            after = optax.linear_schedule(peak, peak * self.end_share, rest)
        elif self.schedule == "exponential":
            after = optax.exponential_decay(peak, rest, self.end_share)
        elif self.schedule == "inverse_sqrt":
            start = float(max(warmup, 1))

            def after(count: Any) -> Any:
                return peak * (start / (start + jnp.maximum(count, 0))) ** 0.5

        elif self.schedule == "staircase":
            hold = max(self.hold_steps - warmup, 0)

            def after(count: Any) -> Any:
                falls = jnp.floor_divide(count - hold, self.decay_every) + 1
                return peak * self.decay_rate ** jnp.maximum(falls, 0)

        else:
            after = optax.constant_schedule(peak)
        if not warmup:
            return after
        return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), after], [warmup])

    def make(self) -> optax.GradientTransformation:
        """The Optax transformation."""
        parts = [self._clipped(), self._scaled()]
        if self.weight_decay:
            parts.append(optax.add_decayed_weights(self.weight_decay, mask=_matrices))
        parts.append(optax.scale_by_learning_rate(self.rate()))
        chained = optax.chain(*parts)
        if self.accumulate == 1:
            return chained
        return optax.MultiSteps(chained, self.accumulate).gradient_transformation()

    def _clipped(self) -> optax.GradientTransformation:
        if self.clip_limit is None:
            return optax.identity()
        rules = {
            "norm": optax.clip_by_global_norm,
            "leaf": _clip_by_leaf_norm,
            "value": optax.clip,
            "adaptive": optax.adaptive_grad_clip,
        }
        return rules[self.clip](self.clip_limit)

    def _scaled(self) -> optax.GradientTransformation:
        b1, b2 = self.beta1, self.beta2
        rules = {
            "adam": lambda: optax.scale_by_adam(b1, b2),
            "lion": lambda: optax.scale_by_lion(b1, b2),
            "rmsprop": lambda: optax.scale_by_rms(self.rms_decay),
            "adagrad": optax.scale_by_rss,
            "adadelta": optax.scale_by_adadelta,
            "sgd": lambda: optax.trace(self.momentum) if self.momentum else optax.identity(),
        }
        return rules[self.name]()


def _matrices(params: Params) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim >= 2, params)


def _clip_by_leaf_norm(limit: float) -> optax.GradientTransformation:
    def one(leaf: jax.Array) -> jax.Array:
        norm = jnp.linalg.norm(leaf.ravel())
        return leaf * jnp.minimum(1, limit / jnp.maximum(norm, jnp.finfo(leaf.dtype).tiny))

    return optax.stateless(lambda updates, _: jax.tree.map(one, updates))
