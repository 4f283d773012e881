"""Gradients of braintrace's SnAp: ``python tests/golden/make_braintrace.py``.

Made with braintrace 0.2.6, brainstate 0.5.4 and jax 0.10.2.
"""

import warnings
from pathlib import Path

import brainstate
import braintrace
import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
STEPS, INPUTS, SIZE = 6, 3, 4


def main() -> None:
    warnings.simplefilter("ignore")  # of order 4 it says that it drops nothing, which is meant
    random = np.random.default_rng(0)
    shapes = {"weight": (INPUTS + SIZE, SIZE), "bias": (SIZE,)}
    numbers = {name: 0.5 * random.standard_normal(shape) for name, shape in shapes.items()}
    numbers["xs"] = random.standard_normal((STEPS, INPUTS))
    numbers["targets"] = random.standard_normal((STEPS, SIZE))
    with brainstate.environ.context(precision=64):
        model = braintrace.nn.ValinaRNNCell(INPUTS, SIZE, activation="tanh")
        brainstate.nn.init_all_states(model)
        ((path, _),) = [item for item in model.states().items() if "W" in item[0]]
        model.states()[path].value = {name: jax.numpy.asarray(numbers[name]) for name in shapes}
        for kind, order in (("snap1", 1), ("full", SIZE)):
            brainstate.nn.reset_all_states(model)
            learner = braintrace.compile(model, braintrace.SnAp, numbers["xs"][0], n=order)
            gradient, losses = learner.etrace_grad(
                numbers["xs"],
                numbers["targets"],
                step_fn=lambda x, y, run=learner: ((run(x) - y) ** 2).sum(),
                return_value=True,
            )
            # It gives the mean over the steps; ours, as backpropagation's, is the sum.
            numbers |= {f"{kind}_{name}": STEPS * gradient[path][name] for name in shapes}
            numbers["losses"] = losses
    arrays = {name: np.asarray(value) for name, value in numbers.items()}
    np.savez_compressed(Path(__file__).with_name("braintrace.npz"), **arrays)


if __name__ == "__main__":
    main()
