"""Whatever file of a checkpoint is damaged and how: the same values, or the checkpoint before."""

import gc
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.train import Checkpoints
from tests.train.faults import contents, damage, largest_file

# When a read fails, others of the same checkpoint are under way, and Orbax asks none how it went.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
CONFIG = {"hidden_size": 4}


def state(seed):
    key = jax.random.key(seed)
    return {"w": jax.random.normal(key, (64, 32)), "key": key, "step": jnp.asarray(seed)}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Checkpoints of step 1 and 2."""
    directory = tmp_path_factory.mktemp("two")
    with Checkpoints(directory, CONFIG) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state(step), {"position": step}, loss=1 / step)
    return directory


@pytest.fixture(autouse=True)
def tidy():
    yield
    gc.collect()


def restore(directory, **options):
    with Checkpoints(directory, CONFIG, **options) as checkpoints:
        return checkpoints.restore_latest(state(0))


def check(directory, read_only=False):
    """That what comes back is one of the two, whole; whether it is the newest."""
    names = {path.name for path in directory.iterdir()}
    step, found, notes = restore(directory, read_only=read_only)
    assert notes == {"position": step}
    for name, leaf in state(step).items():
        if name == "key":
            leaf, found[name] = jax.random.key_data(leaf), jax.random.key_data(found[name])
        np.testing.assert_array_equal(found[name], leaf)
    after = {path.name for path in directory.iterdir()}
    if step == 2 or read_only:
        assert after == names
    else:
        assert [name[:9] for name in after - names] == ["damaged-2"] and names - after == {"2"}
    return step == 2


def another_size(path):
    """A configuration that is only damaged must not be taken for another one."""
    path.write_text(path.read_text().replace('"hidden_size": 4', '"hidden_size": 5'))


def test_a_flip_in_values_or_meta_and_an_empty_checkpoint_are_noticed(two, tmp_path, capsys):
    damaged = {
        "wrong checksum of ['": lambda copy: damage(largest_file(copy / "2/state"), "flip"),
        "its meta": lambda copy: another_size(copy / "2/meta/metadata"),
    }
    for reason, do in damaged.items():
        copy = tmp_path / str(len(reason))
        shutil.copytree(two, copy)
        do(copy)
        assert not check(copy, read_only=True)
        assert not check(copy)
        said = capsys.readouterr().err.splitlines()
        assert "2 is damaged: " in said[-1] and reason in said[-1]
        assert said[-1].endswith("step 1 is taken instead")
    shutil.copytree(two, tmp_path / "empty")
    shutil.rmtree(tmp_path / "empty/2")
    (tmp_path / "empty/2").mkdir()
    assert not check(tmp_path / "empty")


def test_where_none_is_intact_nothing_is_renamed_and_nothing_begins_anew(two, tmp_path):
    shutil.copytree(two, tmp_path / "copy")
    for step in (1, 2):
        damage(tmp_path / f"copy/{step}/meta/metadata", "truncate")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="no checkpoint in .* can be restored: 2: .*; 1: "):
        restore(tmp_path / "copy")
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_no_damage_to_any_file_gives_a_wrong_value(two, tmp_path):
    outcomes = {}
    files = [path.relative_to(two) for path in sorted((two / "2").rglob("*")) if path.is_file()]
    assert len(files) > 10
    for name in files:
        for how in ("truncate", "flip", "zero", "delete"):
            copy = tmp_path / "copy"
            shutil.copytree(two, copy)
            damage(copy / name, how)
            outcomes[name, how] = check(copy)
            shutil.rmtree(copy)
    for item in ("state", "meta"):
        shutil.copytree(two, copy)
        shutil.rmtree(copy / "2" / item)
        assert not check(copy)
        shutil.rmtree(copy)
    assert not all(outcomes.values()) and any(outcomes.values())
