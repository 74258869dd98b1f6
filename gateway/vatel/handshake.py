"""The opening handshake of the agent's socket: the request with its token, and what the answer means."""

import asyncio
from collections.abc import Callable

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request
from websockets.protocol import State

from gateway.errors import AgentConnectError

_REFUSALS = {401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limited"}


class Handshake:
    """From the request to the answer. Lives as long as one attempt to connect.

    Args:
        protocol: the connection's sans-I/O half.
        token: the session token, URL-quoted.
        opened: called when the connection is open.
        refused: called when the answer says that it will not be.

    Attributes:
        over: set when it is, one way or the other.
        refusal: why it failed, if it did.
    """

    def __init__(
        self,
        protocol: ClientProtocol,
        token: str,
        *,
        opened: Callable[[], None],
        refused: Callable[[], None],
    ) -> None:
        self._protocol = protocol
        self._opened = opened
        self._refused = refused
        self._request: Request | None = protocol.connect()
        self._request.path += f"{'&' if protocol.uri.query else '?'}token={token}"
        self.over = asyncio.Event()
        self.refusal: AgentConnectError | None = None

    def send(self) -> None:
        """Give the request to the protocol, once, and forget it: it holds the token."""
        if self._request is not None:
            self._protocol.send_request(self._request)
            self._request = None

    def look(self) -> None:
        """See whether the answer is here; nothing once it was."""
        if self.over.is_set():
            return
        if self._protocol.handshake_exc is not None:
            self._refuse(_refusal(self._protocol.handshake_exc))
            self._refused()
        elif self._protocol.state is not State.CONNECTING:
            self.over.set()
            self._opened()

    def cut(self, cause: Exception | None) -> None:
        """The transport is lost; no difference once the handshake is over."""
        if not self.over.is_set():
            reason = "bad_handshake" if cause is None else "unreachable"
            self._refuse(AgentConnectError("the agent's host hung up on the handshake", reason=reason))

    def _refuse(self, refusal: AgentConnectError) -> None:
        self.refusal = refusal
        self.over.set()


def _refusal(error: Exception) -> AgentConnectError:
    """Name a failed handshake; the answer's own words stay out of it."""
    if not isinstance(error, InvalidStatus):
        return AgentConnectError("the agent's host did not answer as a WebSocket", reason="bad_handshake")
    status = error.response.status_code
    return AgentConnectError(
        f"the agent's socket was refused with HTTP {status}", reason=_refusal_reason(status), status=status
    )


def _refusal_reason(status: int) -> str:
    if status >= 500:
        return "server_error"
    return _REFUSALS.get(status, "bad_request" if status >= 400 else "bad_handshake")
