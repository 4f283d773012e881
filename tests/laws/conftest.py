"""The laws run on a few steps, so chunks are made small enough for several, and a remainder."""

import pytest

from rnn_jax.drivers import deferred


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "CHUNK", 3)
