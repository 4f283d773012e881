"""Series from files and made ones, and how they are cut into parts."""

import numpy as np
import pytest

from rnn_jax.data import InputError, series, windows

SIZES = {"horizon": 2, "season": 3, "context": 6}


def write(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    return path


def test_columns_gaps_and_times(tmp_path):
    rows = ["2024-02-29 18:00,1,", "2024-03-01 00:00,nan,4", "2024-03-01 06:00,,5", ",4,6"]
    rows[-1] = "2024-03-01 12:00" + rows[-1]
    found = series.read_series(write(tmp_path, "\n".join(["when,a, b", *rows])))
    assert found.names == ("a", "b") and found.filled == 3
    np.testing.assert_allclose(found.values, [[1, 4], [2, 4], [3, 5], [4, 6]])
    assert found.times[1].isoformat() == "2024-03-01T00:00:00"
    day = [[-1, 0], [0, 1], [1, 0], [0, -1]]
    np.testing.assert_allclose(found.calendar()[:, :2], day, atol=1e-12)
    weekday = 2 * np.pi * np.array([3, 4, 4, 4]) / 7
    np.testing.assert_allclose(found.calendar()[:, 2], np.sin(weekday))
    yearday = 2 * np.pi * np.array([60, 61, 61, 61]) / 365.25
    np.testing.assert_allclose(found.calendar()[:, 5], np.cos(yearday))


def test_a_year_is_a_time_and_numbers_alone_are_none(tmp_path):
    years = series.read_series(write(tmp_path, '"YEAR","SPOTS"\n1700,5\n1701,11\n'))
    assert years.names == ("SPOTS",) and years.times is None and years.calendar().shape == (2, 0)
    both = series.read_series(write(tmp_path, "a,b\n1,2\n3,4\n"))
    assert both.names == ("a", "b") and both.values.tolist() == [[1, 2], [3, 4]]
    assert both.digest != years.digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "is empty"),
        ("a,b\n1,2\n3\n", "line 3: 1 fields, not 2"),
        ("a,b\n1,2\n3,x\n", "line 3: 'x' is no number"),
        ("date,b\n2024-01-01,\n2024-01-02,\n", "a column without any number"),
        ("date\n2024-01-01\n", "no column of numbers"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        series.read_series(write(tmp_path, text))


def test_what_is_not_there(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="cannot read .*gone.csv: No such file"):
        series.load_series(str(tmp_path / "gone.csv"))
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is no CSV file"):
        series.read_series(tmp_path / "b.csv")
    monkeypatch.setattr(series.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="co2 is a part of statsmodels: pip install statsmodels"):
        series.load_series("co2")


def test_the_files_of_statsmodels_are_read_without_it(tmp_path, monkeypatch):
    for name, text in (
        ("co2", "date,co2\n19580329,316.1\n19580405,317.3\n"),
        ("sunspots", "YEAR,A\n1,2"),
    ):
        folder = tmp_path / "statsmodels" / "datasets" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.csv").write_text(text)
    (tmp_path / "statsmodels" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = series.load_series("co2")
    assert found.names == ("co2",) and found.times[1].isoformat() == "1958-04-05T00:00:00"
    assert found.calendar().shape == (2, 2)  # the day of the year: a step is a week
    assert series.load_series("sunspots").values.tolist() == [[2]]


def test_parts_are_standardised_by_the_first_alone():
    values = np.arange(40.0).reshape(20, 2) ** 1.5
    source = series.Series(("a", "b"), values)
    parts = windows.split_series(source, ("b",), (10, 4, 6), **SIZES)
    assert parts.bounds == (0, 10, 14, 20) and parts.names == ("b",)
    np.testing.assert_allclose(parts.targets[:10].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(parts.targets[:10].std(), 1, atol=1e-6)
    expected = (values[:, 1] - values[:10, 1].mean()) / values[:10, 1].std()
    np.testing.assert_allclose(parts.targets[:, 0], expected, rtol=1e-5)
    assert parts.origins(2).tolist() == [14, 15, 16, 17, 18]
    assert (parts.after(parts.origins(2))[-1] == parts.targets[18:20]).all()
    assert (parts.naive(parts.origins(2))[0] == parts.targets[11:13]).all()
    targets, beside = parts.windows(np.array([3]), 4)
    assert (targets[0] == parts.targets[3:7]).all() and (beside[0] == parts.beside[3:7]).all()
    shares = windows.split_series(source, ("b",), (0.5, 0.2, 0.3), **SIZES)
    assert shares.bounds == parts.bounds


@pytest.mark.parametrize(
    ("target", "split", "message"),
    [
        ("c", (10, 4, 6), "c: no such column"),
        ("a", (10, 4, 7), "21 steps in all, but there are 20"),
        ("a", (10, 4, 1), "are too short for a context of 6 and a horizon of 2"),
        ("a", (5, 4, 4), "are too short for a context"),
    ],
)
def test_bad_splits_are_named(target, split, message):
    with pytest.raises(InputError, match=message):
        windows.split_series(series.Series(("a", "b"), np.ones((20, 2))), (target,), split, **SIZES)
    with pytest.raises(InputError, match="horizon: 4 steps are more than a season of 3"):
        windows.split_series(series.made_load(90), (), split, **SIZES | {"horizon": 4})
    with pytest.raises(InputError, match="context: 7 steps are no multiple of a season of 3"):
        windows.split_series(series.made_load(90), (), split, **SIZES | {"context": 7})


def test_the_made_load_follows_the_temperature():
    load, temperature = series.made_load(24 * 7 * 52).values.T
    hours = np.arange(len(load))
    weekday = hours // 24 % 7 < 5
    by_hour = [load[(hours % 24 == h) & weekday].mean() for h in range(24)]
    weekend = load[~weekday].mean()
    assert max(by_hour) - min(by_hour) > 15 and weekend < load[weekday].mean() - 4
    cold, mild = load[temperature < 0].mean(), load[np.abs(temperature - 18) < 3].mean()
    assert cold > mild + 10
