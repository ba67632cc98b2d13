"""Write: a request of the collection's own that changes one document, from when it leaves until it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .state import Document, DocumentState

Kind = Literal["create", "update", "replace", "delete"]

_PASSING = {408, 425, 429}


@dataclass(slots=True, eq=False)
class Write:
    """What is sent, and what was known then.

    origin: the token that its change bears; for a create also the Idempotency-Key.  state: of the document.
    sent: the fields that it sends.  body: what is sent, as JSON.  optimistic: whether it shows at once.
    stamp, era, at: when it left: our count, the era, the position.  version: of the document then.
    key: of the document; a create is told it.  may_exist: an attempt got no definite answer.
    is_heard: its change has come on the stream, so it was obeyed.
    """

    kind: Kind
    origin: str
    state: DocumentState | None
    key: str | None
    body: Document | None
    optimistic: bool
    stamp: int
    era: int
    at: str | None
    sent: frozenset[str] = frozenset()
    version: str | None = None
    is_pending: bool = True
    may_exist: bool = False
    is_heard: bool = False


def is_definite(status: int | None) -> bool:
    """Whether a refusal with this HTTP status says that nothing was changed, and that trying again is no use."""
    return status is not None and 400 <= status < 500 and status not in _PASSING
