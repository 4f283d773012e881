"""Music as piano rolls: the rules of the made harmony, MIDI files, .mat files, the Markov floor."""

from functools import cache

import numpy as np
import pytest

from rnn_jax.data import InputError, chorales, midi, rolls


@pytest.fixture(scope="module")
def pieces():
    return [chorales.chorale(np.random.default_rng(k)) for k in range(40)]


def test_harmony_keeps_the_rules(pieces):
    again = [chorales.chorale(np.random.default_rng(k)) for k in range(3)]
    assert all((a == b).all() for a, b in zip(again, pieces))
    assert {piece.shape for piece in pieces} == {(32, 4)}
    for piece in pieces:
        for voice, (low, high) in zip(piece.T, chorales.RANGES):
            assert low <= voice.min() and voice.max() <= high
        assert (piece[7::8] == piece[6::8]).all()  # held at the ends of phrases
        tonic = piece[-1, 0] % 12  # the last chord stands on its root
        assert piece[0, 0] % 12 == piece[15, 0] % 12 == tonic
        assert (piece[7::16, 0] % 12 == (tonic + 7) % 12).all()  # half cadences
        third = {int(pitch - tonic) % 12 for pitch in piece[-1]} & {3, 4}
        scale = {0, 2, 4, 5, 7, 9, 11} if third == {4} else {0, 2, 3, 5, 7, 8, 11}
        assert {int(pitch - tonic) % 12 for pitch in piece.ravel()} <= scale
        for before, after in zip(piece, piece[1:]):
            for high in range(1, 4):
                for low in range(high):
                    was = (before[high] - before[low]) % 12
                    if was in (0, 7) and before[low] != after[low]:
                        assert (after[high] - after[low]) % 12 != was  # no parallels
    assert rolls.share_of_chords([rolls.as_roll(piece) for piece in pieces]) == 1


def test_probabilities_of_all_pieces_add_up(monkeypatch):
    """Of one phrase of three chords, with narrow voices, all pieces can be listed."""
    monkeypatch.setattr(chorales, "PHRASE", 3)
    monkeypatch.setattr(chorales, "PHRASES", 1)
    monkeypatch.setattr(chorales, "LENGTH", 4)
    monkeypatch.setattr(chorales, "KEYS", ((0, "major"), (5, "minor")))
    monkeypatch.setattr(chorales, "RANGES", ((46, 56), (52, 60), (58, 67), (64, 72)))
    monkeypatch.setattr(chorales, "_voicings", cache(chorales._voicings.__wrapped__))
    monkeypatch.setattr(chorales, "_allowed", cache(chorales._allowed.__wrapped__))

    def continued(key, k, last):
        if k == 3:
            yield []
            return
        found = chorales.next_chords(key, k, last)
        for chord, pitches in zip(found.chords, found.pitches.tolist()):
            for rest in continued(key, k + 1, (chord, tuple(pitches))):
                yield [pitches] * (2 if k == 2 else 1) + rest

    listed = {str(p): p for key in chorales.KEYS for p in continued(key, 0, None)}
    assert len(listed) > 20
    mass = [np.exp(chorales.log_probability(np.array(piece))) for piece in listed.values()]
    np.testing.assert_allclose(sum(mass), 1, rtol=1e-12)
    drawn = [str(chorales.chorale(np.random.default_rng(k)).tolist()) for k in range(300)]
    for name, p in zip(listed, mass):
        assert abs(drawn.count(name) / 300 - p) < 5 * (p * (1 - p) / 300) ** 0.5 + 0.004


def test_the_rules_know_more_than_the_markov_chain():
    corpus = rolls.made_chorales((20, 0, 3))
    floors = corpus.floors("test")
    assert 2 < floors["the rules"] < 3 < 6 < floors["per-note Markov"]


def test_markov_chain_by_loops():
    rng = np.random.default_rng(0)
    train, test = ([rng.integers(0, 2, (n, 3)) for n in sizes] for sizes in ((7, 4), (5, 1)))
    total = 0.0
    for d in range(3):
        counts = np.ones((2, 2))
        for piece in train:
            for before, now in zip([0, *piece[:, d]], piece[:, d]):
                counts[before, now] += 1
        for piece in test:
            for before, now in zip([0, *piece[:, d]], piece[:, d]):
                total -= np.log(counts[before, now] / counts[before].sum())
    found = rolls.markov_nats(rolls.markov_chain(train), test)
    np.testing.assert_allclose(found, total / 6, rtol=1e-12)


def test_midi_comes_back(tmp_path):
    mido = pytest.importorskip("mido")
    rng, path = np.random.default_rng(0), tmp_path / "a.mid"
    roll = (rng.random((50, 88)) < 0.1).astype(np.uint8)
    roll[0, 0] = roll[-1, 87] = 1
    midi.write_midi(path, roll, steps_per_beat=4, tempo=120)
    np.testing.assert_array_equal(midi.read_midi(path, steps_per_beat=4), roll)
    song = mido.MidiFile(path)
    assert abs(song.length - 50 / 4 * 0.5) < 1e-9  # seconds: half a second for a beat
    ons = [message for message in song if message.type == "note_on"]
    starts = np.diff(np.vstack([np.zeros(88, int), roll.astype(int)]), axis=0) == 1
    assert len(ons) == starts.sum() and {message.note for message in ons} >= {21, 108}
    assert len(ons) == sum(message.type == "note_off" for message in song)


def test_midi_of_others(tmp_path):
    """Two tracks, drums, notes that end by a velocity of 0, are struck again, or are too short."""
    mido = pytest.importorskip("mido")
    song = mido.MidiFile(ticks_per_beat=100)
    piano, drums = song.add_track(), song.add_track()
    for kind, note, velocity, wait in (
        ("note_on", 60, 64, 0),
        ("note_on", 60, 64, 100),  # struck again while it sounds
        ("note_on", 60, 0, 50),
        ("note_on", 64, 64, 2),  # at 152 of 100 a beat
        ("note_off", 64, 64, 3),
    ):
        piano.append(mido.Message(kind, note=note, velocity=velocity, time=wait))
    drums.append(mido.Message("note_on", channel=9, note=40, velocity=64, time=10))
    song.save(tmp_path / "a.mid")
    roll = midi.read_midi(tmp_path / "a.mid", steps_per_beat=2)
    assert list(zip(*(axis.tolist() for axis in roll.nonzero()))) == [
        (0, 39), (1, 39), (2, 39), (3, 43)
    ]  # fmt: skip


def test_files_that_cannot_be_read(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    pytest.importorskip("mido")
    (tmp_path / "a.mid").write_bytes(b"MThd nothing")
    (tmp_path / "b.mat").write_bytes(b"no matrix")
    scipy_io.savemat(tmp_path / "c.mat", {"traindata": [1]})
    piece = np.zeros((1, 1), object)
    piece[0, 0] = np.full((3, 88), 2)
    scipy_io.savemat(tmp_path / "d.mat", {name: piece for name in rolls.PARTS})
    scipy_io.savemat(tmp_path / "f.mat", {name: piece[:0] for name in rolls.PARTS})
    for call, message in (
        (lambda: midi.read_midi(tmp_path / "a.mid"), "is no MIDI file"),
        (lambda: rolls.load_rolls(str(tmp_path / "b.mat")), "cannot read"),
        (lambda: rolls.load_rolls(str(tmp_path / "c.mat")), "has no validdata, testdata"),
        (lambda: rolls.load_rolls(str(tmp_path / "d.mat")), "holds more than 0 and 1"),
        (lambda: rolls.load_rolls(str(tmp_path / "e.mat")), "cannot read"),
        (lambda: rolls.load_rolls(str(tmp_path / "f.mat")), "traindata: there is no piece in it"),
    ):
        with pytest.raises(InputError, match=message):
            call()
    piece[0, 0] = np.eye(88)[:5]
    scipy_io.savemat(tmp_path / "f.mat", {name: piece for name in rolls.PARTS})
    (found,) = rolls.load_rolls(str(tmp_path / "f.mat")).validation
    np.testing.assert_array_equal(found, np.eye(88)[:5])
    for options in ({"tempo": 3}, {"steps_per_beat": 481}):
        with pytest.raises(ValueError, match="must be in 1..480 and tempo"):
            midi.write_midi(tmp_path / "g.mid", np.eye(88), **options)
    (tmp_path / "a.mid").unlink()
    midi.write_midi(tmp_path / "g.mid", np.eye(88))
    with pytest.raises(InputError, match="1 .mid files, which do not fill three parts"):
        rolls.load_rolls(str(tmp_path))
