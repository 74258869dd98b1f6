"""The demo's command line; the whole call is run by ``.ci/run``, which needs half a minute for it."""

import argparse
from pathlib import Path

import pytest

from gateway import settings
from gateway.demo import run
from gateway.errors import ConfigError
from gateway.speech import extra


def test_options_have_defaults() -> None:
    """Without options recordings go to a folder here and no report is written."""
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)

    assert parser.parse_args([]) == argparse.Namespace(json=None, out=Path("demo-call"))


def test_configuration_of_the_demo_is_sound() -> None:
    """The file the demo runs with is found, and is valid."""
    assert settings.load({"config": str(run._config_file())}, env={}).host == "127.0.0.1"


async def test_missing_extra_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the speech packages the demo names what to install."""
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))

    with pytest.raises(ConfigError, match=r"pip install 'vatel-gateway\[demo\]'"):
        await run.run(argparse.Namespace(json=None, out=Path("x")))
