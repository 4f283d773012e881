"""The run directory: what it holds, what it refuses, and that a resumed run repeats nothing."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.train import MismatchError, Run, SavedRun, read_metrics, read_run


@dataclass(frozen=True)
class Config:
    run_dir: Path
    data: Path | None = None
    hidden_size: int = 8
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Elsewhere(Config):
    checkpoint_dir: str | None = None


def contents(directory: Path) -> dict[Path, tuple[bytes, int]]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_another_configuration_is_refused_by_name_and_nothing_changes(tmp_path):
    config = Config(tmp_path / "run")
    with Run(config, "digest") as run:
        run.log(1, loss=1.0)
        run.save(1, {"w": jnp.ones(2)})
    before = contents(config.run_dir)
    with pytest.raises(
        MismatchError, match=r"hidden_size 8 there, 9 here; sizes \[1, 2\] there, \[1, 3\] here"
    ):
        Run(replace(config, hidden_size=9, sizes=(1, 3)), "digest")
    with pytest.raises(InputError, match="data digest there, another here"):
        Run(config, "another")
    assert contents(config.run_dir) == before


def test_places_may_change_when_a_run_is_resumed(tmp_path):
    with Run(Config(tmp_path / "run", data=tmp_path / "a.txt")):
        pass
    (tmp_path / "run").rename(tmp_path / "moved")
    with Run(Config(tmp_path / "moved", data=tmp_path / "b.txt")):
        pass


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(InputError, match="is not empty and holds no config.json"):
        Run(Config(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="cannot use .*thesis.tex: File exists"):
        Run(Config(tmp_path / "thesis.tex"))
    (tmp_path / "config.json").write_text('{"config": ')
    with pytest.raises(InputError, match="config.json is damaged"):
        Run(Config(tmp_path))


def test_two_processes_cannot_train_in_one_directory(tmp_path):
    pytest.importorskip("fcntl")
    config = Config(tmp_path / "run")
    with Run(config):
        with pytest.raises(InputError, match="another process is training in"):
            Run(config)
    with Run(config):
        pass


def test_metrics_and_samples_go_back_to_the_checkpoint(tmp_path):
    config, state = Config(tmp_path / "run"), {"w": jnp.ones(2)}
    with Run(config) as run:
        assert run.restore(state) is None
        run.log(1, loss=jnp.asarray(2.0), gradient_norm=jnp.asarray(0.5))
        run.log(2, loss=jnp.asarray(1.0), gradient_norm=jnp.asarray(0.5))
        assert [line["loss"] for line in run.flush()] == [2.0, 1.0]
        run.add_sample("eins\n")
        run.save(2, state)
        run.log(3, loss=9.0)  # lost with the process that took this step
        run.add_sample("zwei\n")
    with Run(config) as run:
        assert run.restore(state).step == 2
        run.log(3, loss=0.5)
    assert [line["step"] for line in read_metrics(config.run_dir)] == [1, 2, 3]
    assert read_metrics(config.run_dir)[-1] == {"step": 3, "loss": 0.5}
    assert (config.run_dir / "samples.txt").read_text() == "eins\n"


def test_a_metric_that_is_not_finite_is_null_in_the_file(tmp_path):
    with Run(Config(tmp_path / "run")) as run:
        seen = []
        run.listeners.append(seen.extend)
        run.log(7, loss=jnp.asarray(jnp.nan), tokens=jnp.asarray(12))
        (line,) = run.flush()
    assert np.isnan(line["loss"]) and seen == [line] and type(line["tokens"]) is int
    assert read_metrics(tmp_path / "run") == [{"step": 7, "loss": None, "tokens": 12}]


def test_checkpoints_may_lie_elsewhere(tmp_path):
    config = Elsewhere(tmp_path / "run", checkpoint_dir=str(tmp_path / "far"))
    with Run(config) as run:
        run.save(3, {"w": jnp.ones(2)})
    assert (tmp_path / "far" / "3").is_dir() and not (tmp_path / "run" / "checkpoints").exists()
    saved = read_run(tmp_path / "run")
    assert saved.restore({"w": jnp.zeros(2)})["w"].tolist() == [1, 1]
    assert saved.config(Elsewhere) == config


def test_a_run_whose_checkpoints_are_away_does_not_begin_anew(tmp_path):
    state, far = {"w": jnp.ones(2)}, tmp_path / "far"
    config = Elsewhere(tmp_path / "run", checkpoint_dir=str(far))
    with Run(config) as run:
        run.log(3, held_out_loss=1.0)
        run.save(3, state)
    metrics = (config.run_dir / "metrics.jsonl").read_text()
    far.rename(tmp_path / "unmounted")
    with pytest.raises(InputError, match=r"saved after step 3, but no checkpoint is in .*far"):
        with Run(config) as run:
            run.restore(state)
    assert (config.run_dir / "metrics.jsonl").read_text() == metrics != ""
    far.rmdir()
    (tmp_path / "unmounted").rename(far)
    with Run(config) as run:
        assert run.restore(state).step == 3


def test_another_place_without_the_checkpoints_is_refused_and_nothing_changes(tmp_path):
    state, far = {"w": jnp.ones(2)}, tmp_path / "far"
    config = Elsewhere(tmp_path / "run", checkpoint_dir=str(far))
    with Run(config) as run:
        run.log(1, loss=1.0)
        run.save(3, state)
    before = contents(config.run_dir)
    for place in (None, str(tmp_path / "typo")):
        with pytest.raises(InputError, match="checkpoints of .*run are in .*far, and none is in"):
            Run(replace(config, checkpoint_dir=place))
        assert contents(config.run_dir) == before
    far.rename(tmp_path / "moved")
    with Run(replace(config, checkpoint_dir=str(tmp_path / "moved"))) as run:
        assert run.restore(state).step == 3
    assert read_run(config.run_dir).restore(state)["w"].tolist() == [1, 1]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="checkpoint_dir: cannot use .*file"):
        Run(Elsewhere(tmp_path / "other", checkpoint_dir=str(tmp_path / "file")))


def test_a_line_that_was_cut_is_not_read_and_not_continued(tmp_path):
    config, state = Config(tmp_path / "run"), {"w": jnp.ones(2)}
    with Run(config) as run:
        for step in (1, 2):
            run.log(step, loss=float(step))
        run.save(2, state)
    with open(config.run_dir / "metrics.jsonl", "rb+") as file:  # as after a loss of power
        file.truncate(file.seek(-5, 2))
    assert [line["step"] for line in read_metrics(config.run_dir)] == [1]
    with Run(config) as run:
        assert run.restore(state).step == 2
        run.log(3, loss=3.0)
    assert [line["step"] for line in read_metrics(config.run_dir)] == [1, 3]


def test_a_saved_run_is_read_back_without_being_touched(tmp_path):
    config, state = Config(tmp_path / "run", data=tmp_path / "a.txt"), {"w": jnp.arange(2)}
    with Run(config, notes={"vocabulary": "äb"}) as run:
        with pytest.raises(InputError, match="holds no checkpoint yet"):
            read_run(config.run_dir).restore(state)
        run.save(1, state)
        run.checkpoints.wait()
        before = contents(config.run_dir)
        saved = read_run(config.run_dir)
        assert saved.notes["vocabulary"] == "äb"
        assert saved.config(Config) == config
        assert saved.restore({"w": jnp.zeros_like(state["w"])})["w"].tolist() == [0, 1]
        assert contents(config.run_dir) == before


def test_a_saved_run_of_another_script_is_refused(tmp_path):
    saved = SavedRun(tmp_path, {"hidden_size": 8}, {"data": None})
    with pytest.raises(InputError, match="lacks sizes"):
        saved.config(Config)


def test_config_is_readable(tmp_path):
    with Run(Config(tmp_path / "run"), "d", {"n": 1}):
        pass
    stored = json.loads((tmp_path / "run" / "config.json").read_text())
    assert stored["config"] == {"hidden_size": 8, "sizes": [1, 2], "data": "d"}
    assert stored["notes"] == {"data": None, "n": 1}
