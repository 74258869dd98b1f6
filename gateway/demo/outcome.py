"""Where the demo leaves what came of the call: looked at before the call, written after it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from gateway.simulator import recording
from gateway.simulator.record import CallRecord


@dataclass(frozen=True, slots=True)
class Outcome:
    """The places asked for.

    Attributes:
        folder: of the recordings; made when it is missing.
        report: the JSON file; None writes none.
    """

    folder: Path
    report: Path | None

    def check(self) -> None:
        """Make sure that everything can be written, without writing anything.

        Raises:
            ConfigError: something cannot; the message names the option, the fault and the fix.
        """
        _check_folder(self.folder)
        for name in (recording.HEARD, recording.STEREO):
            _check_file("--out", self.folder / name)
        if self.report is not None:
            if not (_exists(self.report.parent) and self.report.parent.is_dir()):
                raise _refusal("--json", self.report.parent, "is no folder; make it, or name another place")
            _check_file("--json", self.report)

    def write(self, record: CallRecord, report: dict[str, Any]) -> dict[str, Path]:
        """Write recordings and report; return what was written, by what it is.

        Raises:
            ConfigError: something cannot be written after all.
        """
        try:
            heard, stereo = recording.write(record, self.folder)
            written = {"what the caller heard": heard, "caller left, agent right": stereo}
            if self.report is not None:
                text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
                self.report.write_text(text, encoding="utf-8")
                written["the report"] = self.report
        except OSError as error:
            where = Path(error.filename) if error.filename else self.folder
            fault = f"cannot be written ({error.strerror}); name another place with --out or --json"
            raise _refusal("demo", where, fault) from None
        return written


def _check_folder(folder: Path) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if _exists(path))
    if not there.is_dir():
        raise _refusal("--out", there, "is no folder; name another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _refusal("--out", there, "is not yours to write to; name another place")


def _check_file(option: str, path: Path) -> None:
    if _exists(path) and path.is_dir():
        raise _refusal(option, path, "is a folder; name a file")
    target = path if _exists(path) else path.parent
    if _exists(target) and not os.access(target, os.W_OK):
        raise _refusal(option, path, "is not yours to write to; name another place")


def _exists(path: Path) -> bool:
    # Path.exists raises for what one may not look at.
    return os.access(path, os.F_OK)


def _refusal(option: str, path: Path, fault: str) -> ConfigError:
    return ConfigError(f"{option}: {path} {fault}", reason="not_writable")
