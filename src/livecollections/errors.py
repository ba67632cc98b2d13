"""Every error that livecollections raises.

::

    LiveError
    ├── ConfigurationError           a wrong option, at declaration or at start  (also a ValueError)
    ├── StoreError                   the database said no
    │   ├── StoreUnavailable         not reachable, locked for too long, or not started
    │   ├── CaptureMissing           ``capture="check"`` found triggers missing or old
    │   └── ConstraintViolated       a constraint of the database refuses the write
    ├── RequestError                 a request that can't be met; knows its HTTP status
    │   ├── MalformedRequest         400  not JSON, a bad query value
    │   ├── DocumentNotFound         404
    │   ├── Conflict                 409
    │   │   └── KeyReused            422  an Idempotency-Key that came with another request
    │   ├── TooLarge                 413
    │   ├── UnsupportedMediaType     415
    │   └── InvalidDocument          422  well-formed, but not what the model accepts
    └── BayeuxError                  a refusal in Faye's form ``code:arguments:text``

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
    """The database can't be reached, is locked for too long, or the store isn't started."""


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


class TooLarge(RequestError):
    """The body is over the limit."""

    status = 413
    title = "Content Too Large"


class UnsupportedMediaType(RequestError):
    """The body's content type is not one that this route reads."""

    status = 415
    title = "Unsupported Media Type"


class InvalidDocument(RequestError):
    """The document is well-formed, but the model does not accept it."""

    status = 422
    title = "Unprocessable Content"


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
        if not self.code:
            return self.text
        return f"{self.code}:{','.join(self.arguments)}:{self.text}"
