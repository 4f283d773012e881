"""Data sets of TensorFlow Datasets (TFDS) by name, without TensorFlow: random access, no downloads.

The package is imported when a data set is opened. A data set has to be prepared once, in the format
array_record; what is said when it is not tells how.
"""

import contextlib
import difflib
import io
import re
import socket
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnn_jax.data.errors import InputError, extra

Rows = Sequence[Mapping[str, Any]]
# Of TFDS 4.9.10: without TensorFlow it does not even know these names.
NEED_TENSORFLOW = frozenset(
    ("wmt14_translate", "wmt15_translate", "wmt16_translate", "wmt17_translate", "wmt18_translate")
    + ("wmt19_translate", "c4", "wiki40b", "wikipedia", "conll2003", "glue", "cfq", "gigaword")
    + ("moving_mnist",)
)


def builder(name: str, data_dir: str | Path | None = None, *, download: bool = False) -> Any:
    """A TFDS builder whose data lie prepared on this machine.

    Args:
        name: "wmt14_translate/de-en", "lm1b", ..., or the folder of a prepared data set.
        data_dir: where data sets lie; None for TFDS's own place (~/tensorflow_datasets).
        download: prepare the data set first if it is not there.

    Raises:
        InputError: if TFDS is not installed, the name is unknown, the data set needs TensorFlow, is
            not prepared or not in a format with random access, or there is no network.

    Example:
        >>> builder("no/such/folder/of/data")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: tfds:no/such/folder/of/data is neither ...
    """
    if not name:
        raise InputError("data: tfds: names no data set; give tfds:NAME, such as tfds:lm1b")
    if name.count("/") > 2 and not Path(name).is_dir():
        raise InputError(f"data: tfds:{name} is neither a folder nor NAME, NAME/CONFIG")
    with extra(f"data: tfds:{name}", "tensorflow-datasets"):
        import tensorflow_datasets as tfds
    try:
        if Path(name).is_dir():
            if not (Path(name) / "dataset_info.json").is_file():
                raise InputError(
                    f"data: the folder {name} has no dataset_info.json: give that of one version, "
                    "like tiny_shakespeare/1.0.0"
                )
            return _readable(tfds.builder_from_directory(name), name)
        with contextlib.redirect_stdout(io.StringIO()):  # a banner where TensorFlow is absent
            found = tfds.builder(name, data_dir=data_dir)
        if not found.is_prepared():
            found = tfds.builder(name, data_dir=data_dir, file_format="array_record")
            _prepare(found, name, data_dir, download)
    except ModuleNotFoundError as error:
        # TFDS raises it anew, nameless, where it is TensorFlow that is absent.
        package = error.name if error.name not in (None, "tensorflow") else "tensorflow-cpu"
        raise InputError(
            f"data: tfds:{name} needs the package {package}, which is not installed: "
            f"pip install {package}"
        ) from None
    except tfds.core.DatasetNotFoundError as error:
        if name.partition("/")[0] in NEED_TENSORFLOW:
            raise InputError(
                f"data: tfds:{name} needs the package tensorflow-cpu, which is not installed: "
                "pip install tensorflow-cpu"
            ) from None
        known = list(dict.fromkeys(re.findall(r"^\s*- (\S+)", str(error), re.MULTILINE)))
        close = difflib.get_close_matches(name.partition("/")[0], known, 4, 0.5)
        near = f"; like it: {', '.join(close)}" if close else ""
        raise InputError(f"data: TFDS has no data set {name!r}{near}") from None
    except (ValueError, FileNotFoundError) as error:
        if isinstance(error, InputError):
            raise
        there = ""
        if "BuilderConfig" in str(error):
            configs = list(tfds.builder_cls(name.partition("/")[0]).builder_configs)
            there = (
                f"; its configurations: {', '.join(configs[:12])}" if configs else "; it has none"
            )
        raise InputError(f"data: tfds:{name}: {_one_line(error)}{there}") from None
    return _readable(found, name)


def _prepare(found: Any, name: str, data_dir: str | Path | None, download: bool) -> None:
    place = "" if data_dir is None else f", data_dir={str(data_dir)!r}"
    command = (
        'python -c "import tensorflow_datasets as tfds; tfds.builder('
        f"{name!r}, file_format='array_record'{place}).download_and_prepare()\""
    )
    if not download:
        raise InputError(
            f"data: tfds:{name} is not prepared: nothing lies in {found.data_path}. Nothing is "
            f"downloaded unasked; to prepare it once: {command} (some data sets need "
            "`pip install tensorflow-cpu` for it), or copy that folder from another machine"
        )
    if not reachable():
        raise InputError(
            f"data: tfds:{name} is not prepared and this machine reaches no network: on one that "
            f"does, run {command} and copy its folder to {found.data_path}"
        )
    found.download_and_prepare()


def reachable(host: str = "storage.googleapis.com", seconds: float = 3) -> bool:
    """Whether a host answers, or a proxy may do so for it.

    TFDS itself gives up on a machine without network only after minutes.

    Example:
        >>> isinstance(reachable("localhost", seconds=0.1), bool)
        True
    """
    if urllib.request.getproxies():
        return True
    try:
        socket.create_connection((host, 443), timeout=seconds).close()
    except OSError:
        return False
    return True


def _readable(found: Any, name: str) -> Any:
    stored = getattr(found.info.file_format, "value", None)
    if stored != "array_record":
        raise InputError(
            f"data: tfds:{name} is prepared as {stored}, which is not read here: prepare it with "
            "file_format='array_record', in another data_dir"
        )
    return found


def rows(found: Any, split: str) -> Rows:
    """The examples of a split, read when they are indexed; TFDS's slices work: "train[:10%]".

    Args:
        found: from ``builder``.
        split: its name.

    Raises:
        InputError: if there is no such split.

    Example:
        >>> # needs the data set on this machine
        >>> rows(builder("tfds_folder"), "train[:1%]")  # doctest: +SKIP
    """
    try:
        return found.as_data_source(split)
    except ValueError as error:
        raise InputError(f"data: tfds:{found.info.name}: {_one_line(error)}") from None


def splits(found: Any) -> tuple[str, str, str]:
    """Names of what to train on, to validate and to test.

    What a data set does not hold out is sliced from the end of its training split, a
    twentieth each.

    Example:
        >>> class Found:
        ...     class info:
        ...         splits = {"train": None, "test": None}
        >>> splits(Found)
        ('train[:95%]', 'train[95%:]', 'test')
    """
    there = list(found.info.splits)
    if "train" not in there:
        raise InputError(f"data: tfds:{found.info.name} has no split 'train' but {there}")
    validation = next((s for s in ("validation", "valid", "dev") if s in there), None)
    if "test" in there:
        if validation is None:
            return "train[:95%]", "train[95%:]", "test"
        return "train", validation, "test"
    if validation is None:
        return "train[:90%]", "train[90%:95%]", "train[95%:]"
    return "train[:95%]", "train[95%:]", validation  # the official one is for the last word


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:240]
