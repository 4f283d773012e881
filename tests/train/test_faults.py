"""Training that is killed, stopped, starved and cheated ends as if nothing had happened.

The sixteen faults, and where each is tried:

     1  SIGKILL at any moment            here: killed and stopped
     2  SIGTERM and Ctrl-C               here: killed and stopped
     3  SIGKILL while it saves           here: killed and stopped
     4  a flipped bit                    here: damaged; test_checkpoint_damage.py
     5  any file of a checkpoint damaged test_checkpoint_damage.py
     6  another configuration            here: another configuration
     7  a full disk                      here: a full disk; test_checkpoint.py
     8  NaN                              here: NaN
     9  one of two hosts killed          test_faults_hosts.py
    10  one of two hosts stopped         test_faults_hosts.py
    11  other devices than before        here: other devices; test_faults_hosts.py
    12  the order of the data            here: batches
    13  another pool, core and cache     here: rerun
    14  a stuck host                     test_faults_hosts.py; test_stop.py
    15  another version of Python, JAX   here: another version
    16  collectives in the time loop     test_parallel.py, selfcheck.py
"""

import errno
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import replace

import jax
import numpy as np
import pytest

from rnn_jax.data.feed import Ahead
from rnn_jax.train import cli, read_metrics
from rnn_jax.train.hosts import own_rows
from tests.train import faults, faults_program
from tests.train.faults import Training, compare_losses, outcome, steps

for library in ("tyro", "tqdm"):
    pytest.importorskip(library)


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    faults.leave_none()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def whole(runs):
    """A run that nothing happened to."""
    Training(runs / "whole", "--keep", "5").end(cli.DONE)
    assert steps(runs / "whole") == [20, 25, 30, 35, 40]
    return runs / "whole"


@pytest.mark.slow
def test_killed_and_stopped_runs_end_like_one_left_alone(runs, whole):
    directory, pace, chance = runs / "hunted", {"PACE": "0.02"}, random.Random(0)

    def start_and_wait(text):
        training = Training(directory, **pace).read_until(text)
        time.sleep(chance.uniform(0, 0.15))
        return training

    killed = Training(directory, **pace).wait_for_a_save().kill()
    killed.end(-signal.SIGKILL)
    assert killed.unfinished()  # it hit the save
    start_and_wait("step 5:").kill().end(-signal.SIGKILL)
    for number, text in (signal.SIGTERM, "step 10:"), (signal.SIGINT, "steps are done"):
        said = start_and_wait(text).kill(number).end(cli.INTERRUPTED)
        newest = steps(directory)[-1]
        assert f"stopped by {number.name} after step {newest}; run it again" in said
        assert read_metrics(directory)[-1]["step"] == newest
    start_and_wait("step 25:").kill().end(-signal.SIGKILL)
    Training(directory).end(cli.DONE)
    assert outcome(directory) == outcome(whole)


@pytest.mark.slow
def test_a_rerun_on_one_core_with_a_cold_cache_is_the_same(runs, whole):
    core = str(min(os.sched_getaffinity(0)))
    wrapper = ("taskset", "-c", core) if shutil.which("taskset") else ()
    cold = {"NPROC": "1", "JAX_COMPILATION_CACHE_DIR": str(runs / "cold")}
    Training(runs / "again", wrapper=wrapper, **cold).end(cli.DONE)
    assert outcome(runs / "again") == outcome(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "sound", "left"),
    [(12, "that of step 10 is whole", [5, 10]), (2, "there is no other", [])],
)
def test_a_full_disk_ends_a_run_that_goes_on_when_there_is_room(step, sound, left, runs, whole):
    directory = runs / f"full-{step}"
    said = Training(directory, FULL=str(step), PACE="0.1").end(cli.STORAGE)
    [line] = [line for line in said.splitlines() if "error: " in line]
    assert f"{sound}. Make room" in line and steps(directory) == left
    Training(directory).end(cli.DONE)
    assert outcome(directory) == outcome(whole)


def other_python():
    """An interpreter of another version that has all that is needed: $OTHER_PYTHON."""
    python = os.environ.get("OTHER_PYTHON", "")
    needed = "import jax, optax, orbax.checkpoint, tyro, tqdm"
    if not python or subprocess.run([python, "-c", needed]).returncode:
        pytest.skip("OTHER_PYTHON names no interpreter with jax, optax, orbax, tyro and tqdm")
    return python


@pytest.mark.slow
def test_another_version_goes_on(runs, whole):
    python, directory = other_python(), runs / "older"
    shutil.copytree(whole, directory)
    for step in (25, 30, 35, 40):
        shutil.rmtree(directory / f"checkpoints/{step}")
    assert "20 of 40 steps are done" in Training(directory, python=python).end(cli.DONE)
    compare_losses(directory, whole, atol=1e-5)


# What follows runs in this process: the same program, only its environment is a dictionary.


@pytest.fixture
def train(monkeypatch, tmp_path):
    def run(name="run", environment=None, **settings):
        monkeypatch.setattr(faults_program, "ENVIRONMENT", environment or {})
        config = replace(faults_program.Config(), run_dir=tmp_path / name, **settings)
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in vars(config).items()
                 if value is not None and value is not False]  # fmt: skip
        return cli.main("faults", [faults_program.train], {"tiny": faults_program.Config()}, flags)

    run.directory = tmp_path
    return run


@pytest.mark.slow
def test_damaged_checkpoints_are_set_aside_and_made_again(runs, whole):
    directory = runs / "damaged"
    shutil.copytree(whole, directory)
    checkpoints = directory / "checkpoints"
    shutil.rmtree(checkpoints / "40")
    (checkpoints / "40").mkdir()
    faults.damage(faults.largest_file(checkpoints / "35"), "flip")
    faults.damage(faults.largest_file(checkpoints / "30"), "truncate")
    said = Training(directory).end(cli.DONE)
    assert "25 of 40 steps are done" in said
    for step in (40, 35, 30):
        assert f"{checkpoints / str(step)} is damaged: " in said
        assert len(list(checkpoints.glob(f"damaged-{step}-*"))) == 1
    assert "35 is damaged: wrong checksum of ." in said  # the leaf is named
    assert outcome(directory) == outcome(whole)


@pytest.mark.slow
def test_another_configuration_is_refused_and_nothing_is_touched(train, whole, capsys):
    shutil.copytree(whole, train.directory / "run")
    before = faults.contents(train.directory)
    assert train(dropout=0.3, hidden_size=5) == cli.MISMATCH
    assert faults.contents(train.directory) == before
    [line] = capsys.readouterr().err.splitlines()
    assert "hidden_size 64 there, 5 here; dropout 0.2 there, 0.3 here" in line


@pytest.mark.slow
def test_nan_is_skipped_and_counted_and_too_much_of_it_ends_the_run(train, capsys):
    assert train(environment={"NAN": "6,12,13"}, steps=15) == cli.DONE
    metrics = read_metrics(train.directory / "run")
    lines = [line for line in metrics if "skipped" in line]
    assert [line["step"] for line in lines if line["loss"] is None] == [7, 13, 14]
    assert [line["skipped"] for line in lines if line["skipped"]] == [1, 1, 2]
    assert metrics[-1]["skipped_total"] == 3
    capsys.readouterr()
    assert train("burst", {"NAN": "6,7,8"}, steps=15, max_skipped=3) == cli.DIVERGED
    said = capsys.readouterr().err
    assert "diverged: at step 9 the loss is nan" in said and "skipped in a row: 3" in said
    assert "checkpoint is that of step 5. Try a lower learning_rate" in said
    assert steps(train.directory / "burst") == [5]


@pytest.mark.slow
def test_a_run_goes_on_with_other_devices_in_another_way(train):
    settings = {"steps": 20, "dropout": 0}
    assert train("eight", **settings) == cli.DONE
    with pytest.raises(RuntimeError, match="power cut"):
        train("one", {"CRASH": "13"}, **settings)
    shutil.copytree(train.directory / "one", train.directory / "mapped")
    for name, mode in ("one", "none"), ("mapped", "shard_map"):
        assert train(name, parallel=mode, **settings) == cli.DONE
        compare_losses(train.directory / name, train.directory / "eight", atol=5e-6)


def test_batches_are_the_same_in_any_thread_from_any_step_on_any_number_of_hosts(monkeypatch):
    config = faults_program.Config()

    def batches(start, num_threads, hosts=1, host=0):
        monkeypatch.setattr(jax, "process_count", lambda: hosts)
        monkeypatch.setattr(jax, "process_index", lambda: host)
        ahead = Ahead(lambda step: own_rows(faults_program.batch(config, step)), start, 9,
                      num_threads=num_threads)  # fmt: skip
        return [{name: np.atleast_1d(x).tolist() for name, x in b.items()} for b in ahead]

    whole = batches(0, 1)
    assert len({str(batch) for batch in whole}) == 9
    assert batches(0, 3) == whole and batches(4, 1) == whole[4:]
    halves = zip(batches(0, 2, 2, 0), batches(0, 2, 2, 1))
    for batch, (first, second) in zip(whole, halves):
        for name in ("xs", "lengths"):
            assert first[name] + second[name] == batch[name]


def test_a_disk_that_is_full_for_any_file_is_told_in_one_line(capsys):
    def train(config: faults_program.Config):
        raise OSError(errno.ENOSPC, "No space left on device", "runs/1/metrics.jsonl")

    assert cli.main("faults", [train], {"tiny": faults_program.Config()}, []) == cli.STORAGE
    assert capsys.readouterr().err == (
        "faults: error: [Errno 28] No space left on device: 'runs/1/metrics.jsonl'\n"
    )
