"""Where the demo's results go, and what is said of places where they cannot."""

import json
import os
from pathlib import Path

import pytest

from gateway.demo.outcome import Outcome
from gateway.errors import ConfigError
from tests.simulator.stories import report_of

RECORD = report_of().record
needs_a_person = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def refusal(outcome: Outcome) -> str:
    """Return what is said of a place."""
    with pytest.raises(ConfigError) as caught:
        outcome.check()
    return str(caught.value)


def test_looking_writes_nothing(tmp_path: Path) -> None:
    """A folder that is still to be made is fine, and is not made by being looked at."""
    Outcome(tmp_path / "deep" / "er", tmp_path / "report.json").check()

    assert list(tmp_path.iterdir()) == []


def test_everything_is_written(tmp_path: Path) -> None:
    """Two recordings and the report, each said by what it is."""
    written = Outcome(tmp_path / "a", tmp_path / "r.json").write(RECORD, {"kept": True, "said": "“…”"})

    assert written == {
        "what the caller heard": tmp_path / "a" / "caller_heard.wav",
        "caller left, agent right": tmp_path / "a" / "call_stereo.wav",
        "the report": tmp_path / "r.json",
    }
    assert all(path.stat().st_size for path in written.values())
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == {"kept": True, "said": "“…”"}


def test_no_report_is_written_when_none_is_wanted(tmp_path: Path) -> None:
    """Only recordings; what an earlier demo left there is written over."""
    outcome = Outcome(tmp_path, None)
    outcome.write(RECORD, {})
    outcome.check()
    outcome.write(RECORD, {})

    assert sorted(path.name for path in tmp_path.iterdir()) == ["call_stereo.wav", "caller_heard.wav"]


def test_report_in_no_folder_is_refused(tmp_path: Path) -> None:
    """Folders of a report are not made up: it is more likely a slip."""
    assert refusal(Outcome(tmp_path, tmp_path / "none" / "x")) == (
        f"--json: {tmp_path / 'none'} is no folder; make it, or name another place"
    )


def test_report_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder holds no report."""
    assert refusal(Outcome(tmp_path, tmp_path)) == f"--json: {tmp_path} is a folder; name a file"


@pytest.mark.parametrize("below", [Path(), Path("deep", "er")])
def test_folder_that_is_a_file_is_refused(tmp_path: Path, below: Path) -> None:
    """Nor does a file hold recordings, or folders of them."""
    (tmp_path / "file").touch()

    assert refusal(Outcome(tmp_path / "file" / below, None)) == (
        f"--out: {tmp_path / 'file'} is no folder; name another place"
    )


def test_recording_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    """What stands in a recording's place is found before the call."""
    (tmp_path / "call_stereo.wav").mkdir()

    assert (
        refusal(Outcome(tmp_path, None)) == f"--out: {tmp_path / 'call_stereo.wav'} is a folder; name a file"
    )


@needs_a_person
def test_places_of_somebody_else_are_refused(tmp_path: Path) -> None:
    """What may not be written to is found before the call."""
    (tmp_path / "shut").mkdir(mode=0o500)
    (tmp_path / "hidden").mkdir(mode=0o000)
    (tmp_path / "r.json").touch(mode=0o400)

    assert "is not yours" in refusal(Outcome(tmp_path / "shut", None))
    assert "is not yours" in refusal(Outcome(tmp_path / "shut" / "deeper", None))
    assert "is not yours" in refusal(Outcome(tmp_path, tmp_path / "shut" / "r.json"))
    assert "is not yours" in refusal(Outcome(tmp_path, tmp_path / "r.json"))
    assert "is no folder" in refusal(Outcome(tmp_path, tmp_path / "hidden" / "away" / "r.json"))


def test_place_that_goes_bad_during_the_call_is_said_in_one_line(tmp_path: Path) -> None:
    """What could be written before the call and cannot after it is an error with the place's name."""
    outcome = Outcome(tmp_path / "a", None)
    outcome.check()
    (tmp_path / "a").touch()

    with pytest.raises(ConfigError, match=r"demo: .*/a cannot be written \(File exists\); name another"):
        outcome.write(RECORD, {})
