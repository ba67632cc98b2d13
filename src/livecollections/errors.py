"""Every error that livecollections raises.

::

    LiveError
    ├── ConfigurationError           a wrong option, at declaration or at start  (also a ValueError)
    ├── StoreError                   the database said no
    │   ├── StoreUnavailable         not reachable, locked for too long, or not started
    │   │   └── SchemaMismatch       a table or column that was declared is not there
    │   ├── CaptureMissing           ``capture="check"`` found triggers missing or old
    │   ├── ConstraintViolated       a constraint of the database refuses the write
    │   └── BulkRefused              one of several writes is refused, so none was done
    ├── RequestError                 a request that can't be met; knows its HTTP status
    │   ├── MalformedRequest         400  not JSON, a bad query value
    │   ├── DocumentNotFound         404
    │   ├── Conflict                 409
    │   │   └── KeyReused            422  an Idempotency-Key that came with another request
    │   ├── NotAcceptable            406  no form that the client takes
    │   ├── PreconditionFailed       412  the document is another than the client says
    │   ├── TooLarge                 413
    │   ├── UnsupportedMediaType     415
    │   ├── InvalidDocument          422  well-formed, but not what the model accepts
    │   ├── PreconditionRequired     428  a write that does not say which state it is based on
    │   └── RequestRefused           any other status with which a server refuses a client's request
    ├── BayeuxError                  a refusal in Faye's form ``code:arguments:text``
    │   └── HandshakeRefused         the server gives this client no session
    └── ClientError                  what a Bayeux client can't do
        ├── ClientClosed             it was closed, or never opened
        ├── SessionEnded             the server ended the session and wants no other
        ├── Unreachable              no transport leads to the server
        ├── Unconfirmed              no answer in time  (also a TimeoutError)
        ├── NotLive                  a collection can't be live here
        └── MessagesMissed           a Reset was read as if it were a message

Errors hold facts; ``str()`` makes the sentence. This module imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class LiveError(Exception):
    """The root: catch it to catch everything that is ours."""


class ConfigurationError(LiveError, ValueError):
    """An option is wrong; the message names it and says what is accepted."""


class StoreError(LiveError):
    """The database refused or failed; the driver's own error is the cause."""


class StoreUnavailable(StoreError):
    """The database can't be reached, is locked for too long, or the store isn't started.

    reason: the database's own words, if it has said any. They may name its host, its users and files, so no client is
    told them.
    """

    def __init__(self, sentence: str, reason: str = "") -> None:
        super().__init__(f"{sentence}: {reason}" if reason else sentence)
        self.reason = reason


class SchemaMismatch(StoreUnavailable):
    """A table or a column that was declared is not there (any more); a migration may be under way."""


@dataclass
class CaptureMissing(StoreError):
    """Triggers are missing or old, and the store was told only to check. sources: what is wrong with each."""

    sources: Mapping[str, str]

    def __str__(self) -> str:
        told = "; ".join(f"{source}: {reason}" for source, reason in self.sources.items())
        return (
            f"capture is not as it should be: {told}. Run `livecollections install DATABASE_URL` "
            '(with --exclude TABLE.COLUMN for what the log must not keep), or start with capture="install"'
        )


@dataclass
class ConstraintViolated(StoreError):
    """A unique, foreign-key, check or not-null constraint refuses the write.

    kind: "unique", "foreign key", "check" or "not null".
    fields: the model's attributes concerned, as far as the database tells.
    """

    kind: str
    fields: Sequence[str] = ()

    def __str__(self) -> str:
        where = f" on {', '.join(self.fields)}" if self.fields else ""
        return f"a {self.kind} constraint{where} refuses this"


@dataclass
class BulkRefused(StoreError):
    """One of several writes is refused, so none was done. place: which, from 0 on.  error: why."""

    place: int
    error: Exception

    def __str__(self) -> str:
        return f"write {self.place}: {self.error}"


@dataclass
class RequestError(LiveError):
    """A request that can't be met.

    detail: one sentence for the caller.
    errors: where it applies, one entry a fault: ``{"pointer": "/title", "detail": "…"}``.
    """

    detail: str
    errors: Sequence[dict[str, Any]] = ()

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad Request"

    def __str__(self) -> str:
        return self.detail


class MalformedRequest(RequestError):
    """The request can't be read: not JSON, or a query value of the wrong form."""


class DocumentNotFound(RequestError):
    """No document has this key."""

    status = 404
    title = "Not Found"


class Conflict(RequestError):
    """The request contradicts what is stored, or a repeated one contradicts the first."""

    status = 409
    title = "Conflict"


class KeyReused(Conflict):
    """An Idempotency-Key came before with another request."""

    status = 422
    title = "Unprocessable Content"


class NotAcceptable(RequestError):
    """The client takes none of the forms that the answer can have."""

    status = 406
    title = "Not Acceptable"


class PreconditionFailed(RequestError):
    """The document is in another state than the request is based on."""

    status = 412
    title = "Precondition Failed"


class TooLarge(RequestError):
    """The body is over the limit."""

    status = 413
    title = "Content Too Large"


class UnsupportedMediaType(RequestError):
    """The body's content type is not one that this route reads."""

    status = 415
    title = "Unsupported Media Type"


@dataclass
class InvalidDocument(RequestError):
    """The document is well-formed, but the model does not accept it.

    attribute: of which a database can't keep the value, if that is why. Documents may call it otherwise.
    """

    attribute: str | None = None

    status = 422
    title = "Unprocessable Content"


class PreconditionRequired(RequestError):
    """The request does not say which state it is based on, and the resource wants to know."""

    status = 428
    title = "Precondition Required"


@dataclass
class RequestRefused(RequestError):
    """A server refuses a client's request with a status that has no class of its own here, such as 403 or 503."""

    status: int = 500  # type: ignore[misc]
    title: str = "Internal Server Error"  # type: ignore[misc]


@dataclass
class BayeuxError(LiveError):
    """A refusal in Faye's form, ``401:<clientId>:Unknown client``.

    code: 0 for one that is a text alone.  advice: what the reply advises besides, as it goes over the wire.
    """

    code: int
    arguments: Sequence[str]
    text: str
    advice: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.code}:{','.join(self.arguments)}:{self.text}" if self.code else self.text


class HandshakeRefused(BayeuxError):
    """The server gives this client no session, and says that asking again is of no use."""


class ClientError(LiveError):
    """What a Bayeux client can't do, for reasons other than a refusal."""


class ClientClosed(ClientError):
    """The client was closed, or never opened."""


@dataclass
class SessionEnded(ClientError):
    """The server ended the session and wants no other. reason: its error, if it told one."""

    reason: str = ""

    def __str__(self) -> str:
        return "the server ended the session" + (f": {self.reason}" if self.reason else "")


@dataclass
class Unreachable(ClientError):
    """No transport leads to the server. reasons: what each of those tried said."""

    url: str
    reasons: Mapping[str, str]

    def __str__(self) -> str:
        told = "; ".join(f"{transport}: {reason}" for transport, reason in self.reasons.items())
        return f"{self.url} can't be reached: {told}"


@dataclass
class Unconfirmed(ClientError, TimeoutError):
    """The server did not answer in time, so it may have done what was asked or not.

    what: what was asked.  reason: why no answer came, as far as the client knows.
    """

    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what} is not confirmed: {self.reason}"


@dataclass
class NotLive(ClientError):
    """A collection can't be live, and waiting is no use. path: its own.  reason: why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} can't be live: {self.reason}"


@dataclass
class MessagesMissed(ClientError):
    """A Reset was read as if it were a message.

    channel: where messages were missed.  reason: why.
    """

    channel: str
    reason: str

    def __str__(self) -> str:
        return (
            f"messages on {self.channel} were missed ({self.reason}): "
            "test for isinstance(message, Reset), and read again what you hold"
        )
