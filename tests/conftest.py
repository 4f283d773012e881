"""Loads the settings of the suite before anything imports JAX."""

import pytest

from tests import settings


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(settings)
