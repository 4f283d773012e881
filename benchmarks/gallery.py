"""The gallery of experiments/README.md, made of what runs have left.

    python -m benchmarks.gallery                       # all of runs/*/* but the tiny ones
    python -m benchmarks.gallery runs/tagging/names    # this run, beside those already there
    python -m benchmarks.gallery --check               # status 1 if the README says something else

The picture of a run is the last one that its evaluation wrote, or that its training wrote; it is
scaled down into experiments/pictures. gallery.json beside it holds all else that is shown, so that
runs may be deleted.
"""

import ast
import io
import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from rnn_jax.data.errors import InputError
from rnn_jax.train import cli
from rnn_jax.train.record import COMMANDS, read_commands
from rnn_jax.train.saved import FREE

BEGIN, END = "<!-- made by python -m benchmarks.gallery: begin -->", "<!-- end -->"
WIDTH, BYTES = 720, 120_000  # of a picture, at most
LINES = 24  # of what a command said that are shown
TIMES = ("cpu_seconds", "wall_seconds")
MODULE = "python -m experiments."


@dataclass(frozen=True)
class Config:
    runs: Positional[tuple[Path, ...]] = ()  # run directories; default runs/*/* but the tiny ones
    experiments: Path = Path("experiments")  # the scripts, README.md and pictures
    check: bool = False  # change nothing


def update(config: Config) -> int:
    """Puts runs into the gallery and writes it anew."""
    readme, pictures = config.experiments / "README.md", config.experiments / "pictures"
    try:
        old = readme.read_text("utf-8")
    except OSError as error:
        raise InputError(f"--experiments: cannot read {readme}: {error.strerror}") from None
    if old.count(BEGIN) != 1 or END not in old.split(BEGIN)[1]:
        raise InputError(f"--experiments: {readme} has no lines {BEGIN} and {END}")
    found = [] if config.check else [read(run) for run in config.runs or found_runs()]
    entries = load(pictures / "gallery.json") | {key(e["command"]): e for e, _ in found}
    before, rest = old.split(BEGIN)
    new = f"{before}{BEGIN}\n{section(entries, config.experiments)}{END}{rest.split(END, 1)[1]}"
    if config.check:
        return int(new != old)
    pictures.mkdir(exist_ok=True)
    for entry, picture in found:
        target = pictures / f"{key(entry['command'])}.png"
        target.write_bytes(scaled(picture))
        print(f"{target} of {picture}")
    text = json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False)
    (pictures / "gallery.json").write_text(text + "\n", "utf-8")
    readme.write_text(new, "utf-8")
    return 0


def found_runs() -> list[Path]:
    """The current folder's runs/SCRIPT/PRESET that can be shown; of others it is said why not."""
    shown = []
    for path in sorted(Path("runs").glob(f"*/*/{COMMANDS}")):
        if path.parts[2] != "tiny":
            try:
                read(path.parent)
                shown.append(path.parent)
            except InputError as error:
                print(f"left out: {error}", file=sys.stderr)
    return shown


def load(path: Path) -> dict[str, Any]:
    """What the gallery was made of before; nothing where there is none."""
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise InputError(f"--experiments: {path} is no JSON") from None


def read(run: Path) -> tuple[dict[str, Any], Path]:
    """What is shown of a run, and its picture.

    A `train` that was interrupted goes on with the next one: their times add up, to the first that
    came to its end; later ones had nothing to do. Any other first command, `run`, begins anew each
    time, so the last one counts. What is said is what the last `evaluate` since then said.

    Raises:
        InputError: if something is missing, naming the run.
    """
    lines = read_commands(run)
    made = [at for at, line in enumerate(lines) if line["name"] in ("train", "run")]
    if not made:
        raise InputError(f"{run}: nothing was made there, or before {COMMANDS} was; run it anew")
    ended = [at for at in made if lines[at]["status"] == cli.DONE]
    if not ended:
        raise InputError(f"{run}: it was interrupted; `{lines[-1]['command']}` goes on")
    resumes = lines[made[0]]["name"] == "train"
    last = ended[0] if resumes else ended[-1]
    parts = [lines[at] for at in made if at <= last] if resumes else [lines[last]]
    later = [line for line in lines[last:] if line["name"] == "evaluate"]
    source = later[-1] if later else lines[last]
    if not lines[last]["command"].startswith(MODULE):
        raise InputError(f"{run}: `{lines[last]['command']}` is no script of experiments/")
    entry = {name: lines[last][name] for name in ("command", "version")}
    entry |= {name: round(sum(part[name] for part in parts), 1) for name in TIMES}
    entry |= {"said": source["said"], "evaluation": None}
    if later:
        entry["evaluation"] = {name: source[name] for name in ("command", "cpu_seconds")}
    if not lines[last]["pictures"]:
        raise InputError(f"{run}: it was trained before {COMMANDS} was; train it anew elsewhere")
    pictures = [name for line in (lines[last], source) for name in line["pictures"]]
    own = [name for name in pictures if name != "curve.png"] or pictures
    if not (run / own[-1]).exists():
        raise InputError(f"{run}: its picture {own[-1]} is gone; make it again")
    return entry, run / own[-1]


def key(command: str) -> str:
    """The name of a run's picture: script, preset if not the default, and what else was chosen.

    Example:
        >>> key("python -m experiments.music --preset jsb --data JSB.mat --steps 600")
        'music-jsb-steps-600'
    """
    script, *words = shlex.split(command.removeprefix(MODULE))
    kept, free = [], False
    for word in words[words[:1] == ["train"] :]:
        flag, equals, value = word.partition("=")
        if flag.startswith("--"):
            free = flag[2:].replace("-", "_") in FREE
            shown = [] if flag == "--preset" else [flag[2:]]
            kept += [] if free else [*shown, *([value] if equals else [])]
        elif not free:
            kept.append(word)
    name = "-".join([script, *(word for word in kept if word != "default")])
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


def scaled(path: Path) -> bytes:
    """A picture as PNG of at most WIDTH pixels and BYTES, in as many colours as that allows."""
    from PIL import Image

    with Image.open(path) as opened:
        white = Image.new("RGBA", opened.size, "white")
        picture = Image.alpha_composite(white, opened.convert("RGBA")).convert("RGB")
    size = min(WIDTH, picture.width)
    while True:
        height = max(1, round(picture.height * size / picture.width))
        small = picture.resize((size, height), Image.Resampling.LANCZOS)
        for colors in (256, 128):
            file = io.BytesIO()
            few = small.quantize(colors, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
            few.save(file, "png", optimize=True)
            if file.tell() <= BYTES:
                return file.getvalue()
        size = size * 4 // 5


def section(entries: Mapping[str, Any], experiments: Path) -> str:
    """All that stands between the marks."""
    return "\n".join(block(name, entries[name], experiments) for name in sorted(entries))


def block(name: str, entry: Mapping[str, Any], experiments: Path) -> str:
    """One run."""
    script = entry["command"].removeprefix(MODULE).split()[0]
    source = experiments / f"{script}.py"
    if not source.exists():
        raise InputError(f"--experiments: {source} is shown as {name} and is not there")
    about = (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").split("\n\n")[0]
    commands = [
        entry["command"],
        *([entry["evaluation"]["command"]] if entry["evaluation"] else []),
    ]
    measured = ""
    if entry["evaluation"]:
        measured = f", {entry['evaluation']['cpu_seconds']:.0f} s for the evaluation"
    return (
        f"### {name}\n\n"
        f"[`{script}`]({script}.py): {' '.join(about.split())}\n\n"
        f"![{name}](pictures/{name}.png)\n\n"
        f"```text\n{chr(10).join(f'$ {command}' for command in commands)}\n"
        f"{first_lines(entry['said'])}\n```\n\n"
        f"{entry['cpu_seconds']:.0f} s of CPU time{measured}; version {entry['version']}.\n"
    )


def first_lines(said: str) -> str:
    """The first lines of a text, such that they can stand in a block of Markdown."""
    lines = [
        line.rstrip() for line in said.replace("```", "'''").replace("<!--", "< !--").split("\n")
    ]
    more = len(lines) - LINES
    return "\n".join(lines[:LINES] + ([f"... and {more} more lines"] if more > 0 else []))


if __name__ == "__main__":
    sys.exit(cli.main("python -m benchmarks.gallery", [update], {"default": Config()}))
