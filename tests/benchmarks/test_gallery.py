"""The gallery shows what runs have left, keeps what is not given again, refuses half a run."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gallery
from rnn_jax.train import cli

image = pytest.importorskip("PIL.Image")
pytest.importorskip("tyro")
ROOT = Path(__file__).parent.parent.parent
README = f"# Experiments\n\n## Gallery\n\n{gallery.BEGIN}\nold\n{gallery.END}\n\nthe end\n"


def line(words: str, name: str = "train", *, status: int = 0, cpu: float = 10, said: str = "well",
         pictures: tuple[str, ...] = ()) -> dict:  # fmt: skip
    return {"command": f"python -m experiments.{words}", "name": name, "preset": "default",
            "status": status, "cpu_seconds": cpu, "wall_seconds": 2 * cpu, "version": "1.2",
            "pictures": list(pictures), "said": said}  # fmt: skip


def make(run: Path, *lines: dict) -> Path:
    """A run directory; every picture is one pixel of a colour of its own."""
    run.mkdir(parents=True)
    text = "".join(json.dumps(one) + "\n" for one in lines)
    (run / "commands.jsonl").write_text(text)
    for number, name in enumerate(dict.fromkeys(n for one in lines for n in one["pictures"])):
        if name == "gone.png":
            continue
        image.new("RGB", (1, 1), (number, 0, 0)).save(run / name)
    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "README.md").write_text(README)
    for script in ("poems", "tags"):
        text = f'"""About {script}:\nin two lines.\n\n    python -m x\n"""\n'
        (tmp_path / "experiments" / f"{script}.py").write_text(text)
    return tmp_path


def start(*argv: object) -> int:
    words = [str(word) for word in argv]
    return cli.main("gallery", [gallery.update], {"default": gallery.Config()}, words)


def shown(folder: Path) -> str:
    return (folder / "experiments" / "README.md").read_text()


def color(folder: Path, name: str) -> int:
    with image.open(folder / "experiments" / "pictures" / f"{name}.png") as opened:
        return opened.convert("RGB").getpixel((0, 0))[0]


def test_runs_are_shown_and_those_not_given_again_are_kept(folder: Path):
    tags = make(
        Path("runs/tags/names"),
        line("tags --preset names", status=cli.INTERRUPTED, cpu=3),
        line("tags --preset names", pictures=("look.png", "curve.png"), said="step 9: 1.5"),
        line("tags --preset names", cpu=2, said="9 of 9 steps are done"),
        line("tags evaluate --preset names", "evaluate", cpu=4, said="old"),
        line("tags evaluate --preset names", "evaluate", cpu=5, said="F1 25\n```\n<!-- end -->",
             pictures=("test.png",)),
        line("tags sample", "sample", said="nothing of this", pictures=("sample.png",)),
    )  # fmt: skip
    make(Path("runs/tags/tiny"), line("tags --preset tiny"))
    assert start() == 0
    first = shown(folder)
    assert first.startswith("# Experiments\n\n## Gallery\n\n") and first.endswith("\n\nthe end\n")
    for said in (
        "### tags-names\n\n[`tags`](tags.py): About tags: in two lines.\n",
        "![tags-names](pictures/tags-names.png)",
        "$ python -m experiments.tags --preset names\n"
        "$ python -m experiments.tags evaluate --preset names\nF1 25\n'''\n< !-- end -->\n```\n",
        "13 s of CPU time, 5 s for the evaluation; version 1.2.",
    ):
        assert said in first
    assert "nothing of this" not in first and "old" not in first and "tiny" not in first
    assert color(folder, "tags-names") == 2  # test.png
    long = "\n".join(f"line {number}" for number in range(40))
    run = make(Path("elsewhere"), line("poems", "run", cpu=90, pictures=("art.png",)),
               line("poems", "run", cpu=7, said=long, pictures=("art.png",)))  # fmt: skip
    for path in [*tags.iterdir(), tags]:
        path.unlink() if path.is_file() else path.rmdir()
    assert start(run) == 0
    second = shown(folder)
    assert "line 23\n... and 16 more lines\n" in second and "line 24" not in second
    assert "\n7 s of CPU time; version" in second  # it began anew
    assert second.index("### poems") < second.index("### tags-names")
    assert second[second.index("### tags-names") :] == first[first.index("### tags-names") :]
    assert start("--check") == 0
    (folder / "experiments" / "poems.py").write_text('"""Something else."""')
    assert start("--check") == 1 and shown(folder) == second


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "nothing was made there"),
        ([line("tags evaluate", "evaluate")], "nothing was made there"),
        (
            [line("tags", status=cli.INTERRUPTED)],
            "it was interrupted; `python -m experiments.tags`",
        ),
        ([line("tags"), line("tags evaluate", "evaluate", pictures=("a.png",))], "it was trained"),
        ([line("tags", pictures=("gone.png",))], "its picture gone.png is gone"),
    ],
)
def test_what_is_not_whole_is_refused_by_name(folder: Path, capsys, lines, message):
    good = make(folder / "runs/tags/default", line("tags", pictures=("curve.png",)))
    assert start(good, make(folder / "broken", *lines)) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert f"{folder / 'broken'}: {message}" in said
    assert shown(folder) == README and not Path("experiments/pictures").exists()


def test_what_is_elsewhere_is_refused(folder: Path, capsys):
    run = make(folder / "run", line("tags", pictures=("curve.png",)))
    assert start(run, "--experiments", folder / "none") == 2
    assert start(make(folder / "other", line("gone", pictures=("curve.png",)))) == 2
    assert "gone.py is shown as gone and is not there" in capsys.readouterr().err
    (folder / "experiments" / "README.md").write_text("no marks")
    assert start(run) == 2


def test_pictures_fit_and_are_still_themselves(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(gallery, "BYTES", 2000)
    noise = np.random.default_rng(0).integers(0, 256, (50, 800, 3), np.uint8)
    noise[:, :400] = (200, 30, 90)
    image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "small.png").write_bytes(gallery.scaled(tmp_path / "noise.png"))
    assert (tmp_path / "small.png").stat().st_size <= gallery.BYTES
    with image.open(tmp_path / "small.png") as small:
        assert 100 < small.width < 720 and abs(small.width - 16 * small.height) <= 8
        found = np.asarray(small.convert("RGB"), int)[:, : small.width // 2 - 4]
    assert np.abs(found - (200, 30, 90)).max() <= 8
    clear = image.new("RGBA", (1440, 2), (0, 0, 0, 0))  # what shines through is the page
    clear.save(tmp_path / "clear.png")
    (tmp_path / "white.png").write_bytes(gallery.scaled(tmp_path / "clear.png"))
    with image.open(tmp_path / "white.png") as white:
        assert white.size == (720, 1) and white.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("poems", "poems"),
        ("poems train --preset default --seed 3", "poems-seed-3"),
        ("poems --data 'a b' --preset=names --validation x --cell gru", "poems-names-cell-gru"),
        ("poems --parallel none --lags 1 3 --no-bias", "poems-lags-1-3-no-bias"),
    ],
)
def test_a_run_has_the_name_of_what_was_chosen(command: str, name: str):
    assert gallery.key(f"python -m experiments.{command}") == name


def test_the_gallery_is_up_to_date():
    """If not: `python -m benchmarks.gallery` makes it anew, of whatever runs are there."""
    place = ROOT / "experiments"
    assert gallery.update(gallery.Config(experiments=place, check=True)) == 0
    entries = gallery.load(place / "pictures" / "gallery.json")
    pictures = {path.stem: path for path in (place / "pictures").glob("*.png")}
    assert set(pictures) == set(entries)
    for path in pictures.values():
        with image.open(path) as opened:
            assert opened.width <= gallery.WIDTH and path.stat().st_size <= gallery.BYTES
