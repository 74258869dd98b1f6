"""How recordings are called: by what we generate, never by what somebody asks for. PURE.

A name is the recording's id (a UUID) behind its first two digits, so that no folder gets too large:
``3f/3f0c….wav``, with ``.sealed`` behind it when it is encrypted. Whatever is not exactly that is no name.
"""

import re

from gateway.errors import RecordingError

_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ID_PATTERN = re.compile(_ID)
_NAME_PATTERN = re.compile(rf"([0-9a-f]{{2}})/({_ID})\.wav(?:\.sealed)?")
_SEALED = ".sealed"


def check_id(recording_id: str) -> str:
    """Return a recording's id if it is one.

    Raises:
        RecordingError: it is no UUID in lower case.
    """
    if not _ID_PATTERN.fullmatch(recording_id):
        raise RecordingError("there is no such recording", reason="not_found")
    return recording_id


def name_of(recording_id: str, *, sealed: bool) -> str:
    """Return the name under which a recording is stored.

    Raises:
        RecordingError: the id is no UUID in lower case.
    """
    check_id(recording_id)
    return f"{recording_id[:2]}/{recording_id}.wav{_SEALED if sealed else ''}"


def check_name(name: str) -> str:
    """Return a name if it is one of ours.

    Raises:
        RecordingError: it is not.
    """
    match = _NAME_PATTERN.fullmatch(name)
    if match is None or not match[2].startswith(match[1]):
        raise RecordingError("there is no such recording", reason="not_found")
    return name


def id_of(name: str) -> str:
    """Return the id of the recording of a name.

    Raises:
        RecordingError: the name is not one of ours.
    """
    return check_name(name)[3:39]
