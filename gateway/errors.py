"""The exception tree, split by whose fault it is.

    GatewayError
    ├── ConfigError              the operator's: settings that cannot work
    ├── CallerProtocolError      the caller's leg: Twilio, or somebody who pretends to be Twilio
    ├── AgentProtocolError       the agent's leg: Vatel sent what its contract does not allow
    ├── TwilioApiError           Twilio's REST API refused or failed
    ├── VatelApiError            Vatel's REST API refused or failed
    ├── AgentConnectError        the agent's socket could not be opened
    ├── ToolError                the operator's webhook did not answer as it must
    ├── EgressError              an address that a user configured: not allowed, not reached, or no answer
    ├── StorageError             the database refused or failed
    ├── RecordingError           a recording that is not there, or cannot be opened
    └── ClusterError             another node, or what lies between, did not answer as it must

Every leaf carries ``reason``: a short stable slug (``bad_base64``, ``wrong_stream``) that counters, logs
and tests read. The message is for people; neither ever holds a secret or what a caller said.
"""


class GatewayError(Exception):
    """Anything this package raises on purpose."""

    reason: str

    def __init__(self, message: str, *, reason: str = "error") -> None:
        super().__init__(message)
        self.reason = reason


class ConfigError(GatewayError):
    """Settings that cannot work; the message lists every fault, one a line."""


class CallerProtocolError(GatewayError):
    """The caller's leg sent something Twilio's Media Streams contract does not allow."""


class AgentProtocolError(GatewayError):
    """The agent's leg sent something Vatel's socket contract does not allow."""


class ApiError(GatewayError):
    """An HTTP API answered with an error, or not at all.

    Attributes:
        status: the HTTP status, or 0 when there was no answer (connect failure, timeout).
        code: the vendor's own error number, when its body names one.
        retry_after_s: how long the vendor asks to wait before another try, when it says so.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        status: int = 0,
        code: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, reason=reason)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class TwilioApiError(ApiError):
    """Twilio's REST API refused or failed."""


class VatelApiError(ApiError):
    """Vatel's REST API refused or failed."""


class AgentConnectError(GatewayError):
    """The agent's socket could not be opened.

    Attributes:
        status: the HTTP status of the refused upgrade, or 0.
    """

    def __init__(self, message: str, *, reason: str, status: int = 0) -> None:
        super().__init__(message, reason=reason)
        self.status = status


class ToolError(GatewayError):
    """The operator's webhook did not answer as it must."""


class EgressError(GatewayError):
    """An address that a user configured may not be reached, could not be, or answered what is not taken.

    The message names the host and nothing else of the URL: it may be read out by the agent.

    Attributes:
        sent: whether the peer may have seen the request, so that a repeat could do its work twice.
    """

    def __init__(self, message: str, *, reason: str, sent: bool) -> None:
        super().__init__(message, reason=reason)
        self.sent = sent


class StorageError(GatewayError):
    """The database refused or failed.

    ``reason`` is one of ``conflict`` (a unique value is taken, a row that is referred to is missing),
    ``busy`` (locked, or too slow), ``unavailable`` (not reachable, or it went away), ``full`` (the disk),
    ``read_only``, ``old_schema``, ``bad_url`` or ``failed``.
    """

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.reason in {"busy", "unavailable", "full", "read_only"}


class RecordingError(GatewayError):
    """A recording is not there, or cannot be read or written as asked."""


class ClusterError(GatewayError):
    """Another node, or the server between the nodes, did not answer as it must."""
