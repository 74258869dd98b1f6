"""The optional packages behind the extra ``demo``, imported when first used."""

import importlib
import importlib.util
from types import ModuleType

from gateway.errors import ConfigError

PACKAGES = ("espeakng_loader", "pocketsphinx", "webrtcvad")


def available() -> bool:
    """Return True when every package of the extra can be imported."""
    return all(importlib.util.find_spec(name) is not None for name in PACKAGES)


def load(name: str) -> ModuleType:
    """Import a package of the extra.

    Raises:
        ConfigError: it is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError(
            f"speech needs the package {name}: pip install 'vatel-gateway[demo]'", reason="demo_extra_missing"
        ) from None
