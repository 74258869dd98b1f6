"""Finished recordings in an object store: S3, Google Cloud Storage, Azure, by way of `obstore`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import from_url

from gateway.errors import ConfigError, RecordingError
from gateway.recording.names import check_name
from gateway.recording.store import LocalStore, Store, Stored

_ASK_WITHIN_S = 10.0
_PUT_WITHIN_S = 600.0  # 460 MB, the longest call there is, at 6 Mbit/s
_PREFIXES = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
_SCHEMES = (*_PREFIXES, "memory")
# What the HTTP client takes, not the vendor's part; put into the latter's place it brings the process down.
_CLIENT_OPTIONS = frozenset(
    [
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "default_content_type",
        "http1_only",
        "http2_only",
        "http2_keep_alive_interval",
        "http2_keep_alive_timeout",
        "http2_keep_alive_while_idle",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_url",
        "proxy_ca_certificate",
        "proxy_excludes",
        "randomize_addresses",
        "timeout",
        "user_agent",
    ]
)


def open_store(
    url: str, options: Mapping[str, str] | None = None, environment: Mapping[str, str] = MappingProxyType({})
) -> Store:
    """Return the store of a URL: ``file:///folder`` or a path, ``s3://``, ``gs://``, ``az://``, ``memory:``.

    Args:
        url: where recordings are kept; may end in a prefix.
        options: what the vendor's client takes (``region``, ``endpoint``, ``access_key_id`` …); what is not
            given comes from the vendor's own environment variables or the machine's identity.
        environment: where the variables are that the vendor's client does not look for: ``AWS_ALLOW_HTTP``
            and what else its HTTP client takes.

    Raises:
        ConfigError: no such kind of store, or options that it does not take; never shows an option's value.
    """
    scheme = urlsplit(url).scheme
    if scheme in ("", "file"):
        return LocalStore(Path(urlsplit(url).path if scheme else url))
    if scheme not in _SCHEMES:
        raise ConfigError(
            f"recordings.url: {scheme!r} is no store we know; use file, {', '.join(_SCHEMES)} or a path"
        )
    open_any = cast(Any, from_url)  # its overloads want the scheme known beforehand
    limits: dict[str, Any] = {}
    if scheme != "memory":
        given = {key.lower(): value for key, value in (options or {}).items()}
        prefix = _PREFIXES[scheme]
        named = {key: f"{prefix}{key.upper()}" for key in _CLIENT_OPTIONS}
        client = {key: environment[name] for key, name in named.items() if name in environment}
        client |= {key: value for key, value in given.items() if key in _CLIENT_OPTIONS}
        limits = {
            "config": {key: value for key, value in given.items() if key not in _CLIENT_OPTIONS},
            "client_options": {"connect_timeout": "5s", "timeout": "60s"} | client,
            "retry_config": {"max_retries": 2, "retry_timeout": timedelta(seconds=8)},
        }
    try:
        return ObjectStore(open_any(url, **limits))
    except (BaseError, ValueError) as error:
        raise ConfigError(
            f"recordings.url: the {scheme} store cannot be used so ({type(error).__name__})"
        ) from None


class ObjectStore:
    """A bucket, or a part of one. Lives as long as the process.

    Args:
        bucket: an `obstore` store.
    """

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket

    async def put(self, name: str, source: Path) -> None:
        """Send a file, in parts where it is large, and see that it arrived whole."""
        check_name(name)
        size = await asyncio.to_thread(lambda: source.stat().st_size)
        async with _asking(_PUT_WITHIN_S):
            await obstore.put_async(self._bucket, name, source)
        if (await self.stat(name)).size_bytes != size:
            raise RecordingError(
                "the recordings' store kept another size than was sent", reason="unavailable"
            )

    async def stat(self, name: str) -> Stored:
        """Return what is known of a recording."""
        check_name(name)
        async with _asking(_ASK_WITHIN_S):
            found = await obstore.head_async(self._bucket, name)
        return _stored(found)

    async def read(self, name: str, start: int, count: int) -> bytes:
        """Return a range of bytes."""
        size = (await self.stat(name)).size_bytes
        count = min(count, size - start)
        if count <= 0:
            return b""
        async with _asking(_ASK_WITHIN_S):
            return bytes(await obstore.get_range_async(self._bucket, name, start=start, length=count))

    async def delete(self, name: str) -> None:
        """Remove a recording."""
        check_name(name)
        try:
            async with _asking(_ASK_WITHIN_S):
                await obstore.delete_async(self._bucket, name)
        except RecordingError as fault:
            if fault.reason != "not_found":
                raise

    async def list(self) -> AsyncIterator[Stored]:
        """Yield all recordings; whatever else lies in the bucket is passed over."""
        pages = obstore.list(self._bucket).__aiter__()
        while True:
            async with _asking(_ASK_WITHIN_S):
                page = await anext(pages, None)
            if page is None:
                return
            for found in page:
                try:
                    check_name(found["path"])
                except RecordingError:
                    continue
                yield _stored(found)


def _stored(found: Any) -> Stored:
    return Stored(found["path"], found["size"], round(found["last_modified"].timestamp() * 1000))


@asynccontextmanager
async def _asking(within_s: float) -> AsyncIterator[None]:
    """Turn whatever may happen on the way into the store's own error; the vendor's words may hold secrets."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except (NotFoundError, FileNotFoundError):
        raise RecordingError("there is no such recording", reason="not_found") from None
    except (BaseError, OSError, TimeoutError) as error:
        kind = type(error).__name__
        raise RecordingError(f"the recordings' store did not do it ({kind})", reason="unavailable") from None
