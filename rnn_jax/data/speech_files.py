"""Speech from local files: folders in LibriSpeech's layout, and manifests."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rnn_jax.data.audio import AudioFiles, named
from rnn_jax.data.errors import InputError
from rnn_jax.data.speech import SpeechCorpus, Utterances, split
from rnn_jax.data.text import read_text

SUFFIXES = (".flac", ".wav", ".ogg", ".mp3", ".aiff", ".au")
MANIFESTS = (".tsv", ".csv", ".json", ".jsonl")
COLUMNS = {  # ours, and what others call it
    "path": ("path", "audio", "file", "audio_filepath", "filename"),
    "text": ("text", "transcript", "sentence"),
    "speaker": ("speaker", "speaker_id", "client_id"),
    "split": ("split",),
}
PARTS = {"train": "train", "dev": "validation", "valid": "validation", "test": "test"}


class Entry(NamedTuple):
    """One recording with its transcript."""

    name: str
    path: Path
    text: str
    speaker: str = ""
    part: str = ""  # "train", "validation", "test", or "" where the source does not say


def read_folder(folder: str | Path) -> tuple[list[Entry], list[str]]:
    """Finds recordings and transcripts in LibriSpeech's layout, at any depth.

    Beside the recordings NAME.flac (or .wav, ...) lies a file whose name ends in ``.trans.txt``
    with a line ``NAME TRANSCRIPT`` for each. NAME begins with the speaker and a hyphen. A folder on
    the way whose name begins with train, dev, valid or test says the part.

    Args:
        folder: LibriSpeech, or a part of it.

    Returns:
        The entries in order of their names; and notes naming recordings without transcript,
        transcripts without recording and empty transcripts, which are left out.

    Raises:
        InputError: if there are no transcripts, no recording has one, or a name occurs twice.

    Example:
        >>> read_folder("no/such/folder")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no/such/folder is no folder
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"data: {folder} is no folder")
    transcripts = sorted(folder.rglob("*.trans.txt"))
    if not transcripts:
        raise InputError(f"data: no transcripts *.trans.txt in {folder}, nor in folders within it")
    paths: dict[tuple[Path, str], Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            paths.setdefault((path.parent, path.stem), path)
    entries: list[Entry] = []
    alone: list[str] = []
    for file in transcripts:
        for line in read_text(file).splitlines():
            name, _, text = line.strip().partition(" ")
            if not name:
                continue
            recording = paths.pop((file.parent, name), None)
            if recording is None:
                alone.append(name)
            else:
                speaker = name.partition("-")[0]
                part = _part(recording.relative_to(folder).parts)
                entries.append(Entry(name, recording, text.strip(), speaker, part))
    notes = _notes(alone, "transcripts without recording") + _notes(
        [path.name for path in paths.values()], "recordings without transcript"
    )
    return _checked(entries, notes, folder)


def _part(folders: tuple[str, ...]) -> str:
    for one in folders:
        for begin, part in PARTS.items():
            if one.lower().startswith(begin):
                return part
    return ""


def _notes(names: list[str], what: str) -> list[str]:
    return [f"left out, {what}: {len(names)}, {named(sorted(names))}"] if names else []


def _checked(entries: list[Entry], notes: list[str], source: Path) -> tuple[list[Entry], list[str]]:
    """Leaves out empty transcripts; refuses a source without pairs or with a name twice."""
    notes = notes + _notes([e.name for e in entries if not e.text], "empty transcripts")
    entries = sorted(entry for entry in entries if entry.text)
    if not entries:
        raise InputError(
            f"data: no recording of {source} has a transcript; {'; '.join(notes) or 'it is empty'}"
        )
    names = [entry.name for entry in entries]
    if twice := sorted({a for a, b in zip(names, names[1:]) if a == b}):
        raise InputError(f"data: {source} has several recordings named {named(twice)}; rename them")
    return entries, notes


def read_manifest(path: str | Path) -> tuple[list[Entry], list[str]]:
    """Reads a table of recordings: TSV or CSV with a header, or a JSON object in each line.

    The columns are ``path`` and ``text``, and where they are known ``speaker`` and ``split``
    (train, validation or dev, test); NeMo's ``audio_filepath`` and Common Voice's ``sentence`` are
    understood too. Paths are relative to the manifest's folder.

    Args:
        path: a file that ends in .tsv, .csv, .json or .jsonl.

    Returns:
        The entries in order of their names, which are the paths as written; and notes naming
        recordings that are missing and empty transcripts, which are left out.

    Raises:
        InputError: if the file cannot be read, a column is missing, nothing is left, or a path
            occurs twice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     manifest = Path(folder) / "speech.tsv"
        ...     _ = manifest.write_text("path\\ttext\\na.wav\\tone two\\nb.wav\\tsix\\n")
        ...     (manifest.parent / "a.wav").touch()
        ...     entries, notes = read_manifest(manifest)
        >>> [(entry.name, entry.text) for entry in entries], notes
        ([('a.wav', 'one two')], ['left out, transcripts without recording: 1, b.wav'])
    """
    path = Path(path)
    entries, alone = [], []
    for line, row in _rows(path):
        values = {
            ours: next((str(row[n]) for n in theirs if row.get(n) not in (None, "")), "")
            for ours, theirs in COLUMNS.items()
        }
        present = set(row)
        for needed in ("path", "text"):
            if not present & set(COLUMNS[needed]):
                raise InputError(
                    f"data: {path}, line {line}: no column {needed!r}, there are "
                    f"{', '.join(map(str, row)) or 'none'}; give path and text"
                )
        if not values["path"]:
            raise InputError(f"data: {path}, line {line}: the path is empty")
        recording = path.parent / values["path"]
        if recording.is_file():
            part = _part((values["split"],))
            text, speaker = values["text"].strip(), values["speaker"]
            entries.append(Entry(values["path"], recording, text, speaker, part))
        else:
            alone.append(values["path"])
    return _checked(entries, _notes(alone, "transcripts without recording"), path)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, columns) of each row."""
    if path.suffix not in MANIFESTS and path.is_file():
        raise InputError(
            f"data: {path} is no manifest by its name: {', '.join(MANIFESTS)} are read"
        )
    content = read_text(path)
    if path.suffix in (".json", ".jsonl"):
        for line, one in enumerate(content.splitlines(), 1):
            if one.strip():
                try:
                    row = json.loads(one)
                except json.JSONDecodeError as error:
                    raise InputError(f"data: {path}, line {line} is not JSON: {error}") from None
                if not isinstance(row, dict):
                    raise InputError(f"data: {path}, line {line} is no JSON object: {one[:40]}")
                yield line, row
    else:
        lines = io.StringIO(content, newline="")
        if path.suffix == ".tsv":  # where quotes are part of the text
            table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, restkey="more")
        else:
            table = csv.DictReader(lines, restkey="more")
        for row in table:
            yield table.line_num, row


def load_files(source: str | Path, sample_rate: int, seed: int = 0) -> SpeechCorpus:
    """Local speech as a corpus, its recordings read when they are asked for.

    The parts are those that the source names, recordings without one are to train on, and a part
    may be empty. Where it names no part, or none to train on, ``speech.split`` draws them.

    Args:
        source: a folder, as for `read_folder`, or a manifest, as for `read_manifest`.
        sample_rate: in Hz, what the samples shall have.
        seed: of the draw.

    Returns:
        SpeechCorpus.

    Raises:
        InputError: as the readers say, if a recording cannot be read, or there are too few.

    Example:
        >>> load_files("no/such/place.tsv", 16000)
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no such file: no/such/place.tsv
    """
    source = Path(source)
    entries, notes = read_folder(source) if source.is_dir() else read_manifest(source)
    files = AudioFiles([entry.path for entry in entries], sample_rate)
    names, _, texts, speakers, parts = zip(*entries)
    whole = Utterances(files, texts, files.lengths, names, speakers)
    places: dict[str, list[int]] = {part: [] for part in ("train", "validation", "test")}
    for place, part in enumerate(parts):
        places[part or "train"].append(place)
    if not any(parts) or not places["train"]:
        if len(entries) < 3:
            raise InputError(f"data: {len(entries)} recordings of {source} cannot be split")
        train, validation, test = split(whole, seed)
        if any(parts):
            notes.append("no part to train on is named: all recordings split anew")
    else:
        train, validation, test = (whole.select(chosen) for chosen in places.values())
    return SpeechCorpus(train, validation, test, sample_rate, (*notes, *files.notes))
