import importlib.util

import pytest

from gateway.errors import ConfigError
from gateway.speech import extra


def test_package_that_is_installed_is_imported() -> None:
    """An installed package comes back as its module."""
    assert extra.load("json").__name__ == "json"


def test_missing_package_names_the_command_that_installs_it() -> None:
    """The error says which extra to install, not which import failed where."""
    with pytest.raises(ConfigError, match=r"pip install 'vatel-gateway\[demo\]'") as caught:
        extra.load("no_such_package_anywhere")
    assert caught.value.reason == "demo_extra_missing"


def test_availability_asks_for_every_package() -> None:
    """The extra is available exactly when all its packages can be found."""
    assert extra.available() == all(importlib.util.find_spec(name) for name in extra.PACKAGES)
