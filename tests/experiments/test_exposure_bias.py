"""Exposure bias: its laws with decoders that are known exactly, and the script as it is run."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import decoding, losses
from rnn_jax.data import processes
from rnn_jax.models.exposure import exposure
from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import exposure_bias as script  # noqa: E402

ROWS, STEPS, K = 2000, 12, 8
# P^t of the walk: row a, the distribution t steps after a.
POWERS = np.stack(
    [np.linalg.matrix_power((np.roll(np.eye(K), 1, 1) + np.roll(np.eye(K), -1, 1)) / 2, t)
     for t in range(STEPS + 1)]
)  # fmt: skip


def main(*argv):
    commands = [script.train, script.evaluate]
    return cli.main("exposure_bias", commands, script.PRESETS, [str(a) for a in argv])


def log(shares):
    return jnp.log(jnp.asarray(shares) + 1e-30)


def follow(params, state, token):
    """The walk itself: neighbours of what is read."""
    return state, log(POWERS[1])[token]


def guess(params, state, token):
    """The walk as it goes on from its first symbol alone, whatever is read since."""
    time, first = state
    first = jnp.where(time == 0, token, first)
    return (time + 1, first), log(POWERS)[time + 1, first]


def copier(rate):
    """Repeats what it read so many steps ago, but for a share of errors."""

    def step(params, state, token):
        state = jnp.concatenate([state[:, 1:], token[:, None]], axis=1)
        right = jax.nn.one_hot(state[:, 0], K)
        return state, log((1 - rate) * right + rate / (K - 1) * (1 - right))

    return step


def test_errors_that_are_copied_stay():
    """e_n of the closed form in the roll-outs, the rate itself along the truth."""
    rate, word = 0.1, 3
    process = processes.Process("copy", K, word)
    tokens = process.draw(np.random.default_rng(0), ROWS, word * 9)
    begin = jnp.concatenate([jnp.zeros((ROWS, 1), int), tokens[:, : word - 1]], axis=1)
    found = exposure(process, copier(rate), (), begin, tokens, jax.random.key(0))
    np.testing.assert_allclose(found["truth"], rate, rtol=1e-5)
    law = np.repeat(processes.copy_errors(K, rate, 8), word)
    np.testing.assert_allclose(found["own"], law, atol=4 * 0.5 / np.sqrt(ROWS))
    assert law[-1] > 5 * rate


def test_scheduled_sampling_prefers_a_model_that_does_not_listen():
    """Where all that is read is its own, ln p is best for P^t, which makes impossible steps."""
    process = processes.Process("walk", K, 1)
    tokens = process.draw(np.random.default_rng(1), ROWS, STEPS + 1)
    start, key = (jnp.zeros(ROWS, int), jnp.zeros(ROWS, int)), jax.random.key(2)
    nats = {}
    for step, state in ((follow, ()), (guess, start)):

        @jax.jit
        def mean(rate, step=step, state=state):
            taught = tokens[:, :-1].T
            _, logits = decoding.scheduled_sampling(step, (), state, taught, rate=rate, key=key)
            return losses.cross_entropy(logits, tokens[:, 1:].T).mean

        nats |= {(step, rate): mean(rate).item() for rate in (0.0, 1.0)}
    shares = POWERS[1:, 0] + 1e-300
    entropy = -(shares * np.log(shares)).sum(1).mean()  # of x_t where x_0 alone is known
    assert nats[follow, 0.0] == pytest.approx(np.log(2), rel=1e-6)  # of a step of the walk
    assert nats[guess, 1.0] == pytest.approx(entropy, abs=0.01) == nats[guess, 0.0]
    assert nats[follow, 1.0] > 10 * entropy
    found = exposure(process, guess, (), start, tokens, key)
    law = processes.walk_errors(K, STEPS)
    np.testing.assert_allclose(found["own"], law, atol=4 * 0.5 / np.sqrt(ROWS))
    honest = exposure(process, follow, (), (), tokens, key)
    assert max(honest["own"].max(), honest["truth"].max()) < 1e-6 and law[-1] > 0.49


def test_the_law_of_the_walk_by_enumeration():
    """All pairs of walks from 0: what one says next, after the other's symbol."""
    law = processes.walk_errors(K, STEPS)
    for t in range(1, STEPS):
        wrong = sum(POWERS[t, 0, a] * POWERS[t + 1, 0, b] for a in range(K) for b in range(K)
                    if (a - b) % K not in (1, K - 1))  # fmt: skip
        assert law[t] == pytest.approx(wrong, abs=1e-12)


def test_processes_do_what_is_possible():
    for process in (processes.Process("copy", 5, 3), processes.Process("walk", 6, 1)):
        tokens = process.draw(np.random.default_rng(0), 20, 15)
        can = process.possible(tokens)
        taken = np.take_along_axis(can, tokens[:, process.given :, None], axis=2)
        assert taken.all() and (can.sum(-1) == (1 if process.name == "copy" else 2)).all()


@pytest.mark.slow
def test_the_script_learns_and_draws(tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--parallel", "none", "--learning-rate", "0.02"]
    assert main(*flags, "--steps", "80", "--eval-every", "80") == 0
    found = json.loads((run / "results.json").read_text())["last_quarter"]
    assert set(found) == {"walk, teacher", "walk, scheduled", "walk, professor"}
    assert found["walk, teacher"]["own"] < 0.3 and (run / "exposure.png").exists()
    assert read_metrics(run / "walk" / "professor")[-1]["step"] == 80
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run, "--length", "8") == 0
    assert "walk, scheduled: in the last quarter" in capsys.readouterr().out


def test_bad_input_is_one_line(tmp_path, capsys):
    for flags, message in (
        (["--way", "student"], "invalid choice"),
        (["--sampling", "1.5"], "1.5 is not in"),
        (["--num-symbols", "2"], "--num-symbols: 2 is not in 3..inf"),
        (["evaluate", "--run-dir", tmp_path], "no run in"),
    ):
        assert main(*flags) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
