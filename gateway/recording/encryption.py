"""Recordings at rest, sealed: AES-256-GCM in pieces, so that any range can be opened by itself.

A sealed file starts with 64 bytes in the clear (magic, key id, salt) that every piece is bound to. Its key is
derived from the operator's by HKDF-SHA256 with that salt, hence used for this file alone; a piece's nonce is
its number, with a last byte that tells the final piece, so that pieces cannot be swapped, repeated or cut
off unseen (the STREAM construction, as age uses it).

Rotation: a new key becomes the current one and seals what is written from then on; old ones stay in the ring
as long as files name them, which retention puts an end to.
"""

import re
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import ConfigError, RecordingError

HEADER_BYTES = 64
PIECE_BYTES = 64 * 1024
TAG_BYTES = 16
KEY_BYTES = 32

_MAGIC = b"VGSEAL1\0"
_HEADER = struct.Struct("<8s32s16s8x")
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The operator's keys. Lives as long as the process.

    Attributes:
        current: the id of the key that seals what is written now.
        keys: 32 random bytes each, by id.

    Raises:
        ConfigError: an id or a key that cannot be used; never shows the key.
    """

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        for key_id, key in self.keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ConfigError(
                    f"recording key id {key_id!r}: use 1 to 32 letters, digits, dots, dashes or underscores"
                )
            if len(key) != KEY_BYTES:
                raise ConfigError(f"recording key {key_id!r} has {len(key)} bytes; it needs {KEY_BYTES}")
        if self.current not in self.keys:
            raise ConfigError(f"the current recording key {self.current!r} is not among the keys given")

    def new_file(self) -> "Seal":
        """Return the seal of a file to be written, under the current key."""
        salt = secrets.token_bytes(16)
        return Seal(_HEADER.pack(_MAGIC, self.current.encode(), salt), self.keys[self.current])

    def of_file(self, header: bytes) -> "Seal":
        """Return the seal of a file that starts with these 64 bytes.

        Raises:
            RecordingError: no such header, or a key that is no longer in the ring.
        """
        if len(header) < HEADER_BYTES or not is_sealed(header):
            raise RecordingError("the recording is not a sealed file", reason="not_sealed")
        _, padded_id, _ = _HEADER.unpack(header[:HEADER_BYTES])
        key_id = padded_id.rstrip(b"\0").decode("ascii", "replace")
        key = self.keys.get(key_id)
        if key is None:
            raise RecordingError(
                f"the recording was sealed with key {key_id!r}, which is not among the keys given: add it",
                reason="unknown_key",
            )
        return Seal(header[:HEADER_BYTES], key)


def is_sealed(start: bytes) -> bool:
    """Say whether a file that starts like this is sealed."""
    return start.startswith(_MAGIC)


def sealed_size(plain_bytes: int) -> int:
    """Return the size of the sealed file of so many bytes; it has a last piece, even an empty one."""
    pieces = max(1, -(-plain_bytes // PIECE_BYTES))
    return HEADER_BYTES + plain_bytes + pieces * TAG_BYTES


def plain_size(sealed_bytes: int) -> int:
    """Return how many bytes are in a sealed file of a size.

    Raises:
        RecordingError: no sealed file has that size.
    """
    body = sealed_bytes - HEADER_BYTES
    pieces = -(-body // (PIECE_BYTES + TAG_BYTES))
    plain = body - pieces * TAG_BYTES
    if body < TAG_BYTES or sealed_size(max(plain, 0)) != sealed_bytes:
        raise RecordingError("the sealed recording has been cut", reason="cut")
    return plain


class Seal:
    """Seals and opens the pieces of one file. Lives as long as the file is open.

    Attributes:
        header: what the file starts with.
    """

    def __init__(self, header: bytes, key: bytes) -> None:
        self.header = header
        _, _, salt = _HEADER.unpack(header)
        derived = HKDF(SHA256(), length=KEY_BYTES, salt=salt, info=b"vatel-gateway recording").derive(key)
        self._cipher = AESGCM(derived)

    @property
    def key_id(self) -> str:
        """The id of the operator's key behind it."""
        _, padded_id, _ = _HEADER.unpack(self.header)
        return bytes(padded_id).rstrip(b"\0").decode()

    def close(self, number: int, piece: bytes, *, last: bool = False) -> bytes:
        """Seal a piece; a number is used once."""
        return self._cipher.encrypt(_nonce(number, last), piece, self.header)

    def open(self, number: int, sealed: bytes, *, last: bool = False) -> bytes:
        """Open a piece.

        Raises:
            RecordingError: it is not what was sealed here.
        """
        try:
            return self._cipher.decrypt(_nonce(number, last), sealed, self.header)
        except InvalidTag:
            raise RecordingError("the sealed recording has been altered", reason="altered") from None


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
