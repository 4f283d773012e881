"""The lecture's character model: its windows, its equations, and the script as it is run."""

import jax
import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import poetry as script  # noqa: E402


def main(*argv):
    commands = [script.train, script.sample]
    return cli.main("poetry", commands, script.PRESETS, [str(a) for a in argv])


def test_every_window_is_read_once_an_epoch():
    config = script.Config(window=5, stride=3, batch_size=4)
    windows = script.Windows(np.arange(30), config)  # starts 0, 3, .. 24: two batches of four
    seen = []
    for step in range(2 * windows.chunks_per_epoch):
        inputs, targets, first = windows.chunk(step)
        assert (np.diff(inputs) == 1).all() and (targets == inputs + 1).all() and first
        seen.append(inputs[:, 0].tolist())
    assert windows.chunks_per_epoch == 2 and seen[:2] != seen[2:]
    for epoch in (seen[0] + seen[1], seen[2] + seen[3]):
        assert len(set(epoch)) == 8 and set(epoch) <= set(range(0, 25, 3))
    with pytest.raises(InputError, match="batch_size: 10 windows, but the text has 9"):
        script.Windows(np.arange(30), script.Config(window=5, stride=3, batch_size=10))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_equations():
    """Embedding, two LSTMs, ReLUs, logits: a loop in NumPy, with the model's parameters."""
    config = script.Config(embedding_size=3, hidden_size=4, relu_size=5)
    model = script.Poet(config, 6)
    tokens = np.array([[1, 5, 0, 2]])
    logits = np.asarray(jax.jit(lambda tokens: model(tokens).ys)(tokens))
    ys = np.asarray(model.embedding.embedding[...], float)[tokens[0]]
    for layer in model.layers:
        w_x, w_h, b = (np.asarray(leaf, float) for leaf in jax.tree.leaves(layer.get_params()))
        h = c = np.zeros(4)
        outputs = []
        for x in ys:
            i, f, g, o = np.split(x @ w_x + h @ w_h + b, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            outputs.append(h)
        ys = np.array(outputs)
    for linear in (model.between, model.output):
        ys = np.maximum(ys, 0) if linear is model.output else ys
        ys = ys @ np.asarray(linear.kernel[...], float) + np.asarray(linear.bias[...], float)
    np.testing.assert_allclose(logits[0], ys, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("carried", ["--carried", "--no-carried"])
def test_it_writes_before_and_while_it_learns(carried, tmp_path, capsys):
    run, text = tmp_path / "run", tmp_path / "a.txt"
    text.write_text("a rose is a rose is a rose, " * 200)
    flags = ["--preset", "tiny", "--run-dir", run, "--data", text, "--prime", "a ", carried]
    flags += ["--parallel", "none", "--window", "20", "--stride", "7"]
    assert main(*flags) == 0
    written = (run / "samples.txt").read_text()
    assert written.index("at initialisation") < written.index("step 20") < written.index("step 40")
    found = [line["held_out_loss"] for line in read_metrics(run) if "held_out_loss" in line]
    assert found[1] < found[0] < np.log(14)
    capsys.readouterr()
    assert main("sample", "--run-dir", run, "--prime", "a rose", "--length", "30") == 0
    said = capsys.readouterr().out
    assert said.startswith("a rose") and len(said) == 37
    assert main("sample", "--run-dir", run, "--prime", "Z") == 2
    assert "prime: unknown to this text: Z" in capsys.readouterr().err


def test_bad_input_is_one_line(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("short")
    for flags, message in (
        (["--data", tmp_path / "a.txt"], "batch_size"),
        (["--window", "0"], "0 is not in 1..inf"),
        (["--data", tmp_path / "b.txt"], "no such file"),
    ):
        assert main("--run-dir", tmp_path / "run", *flags) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()
