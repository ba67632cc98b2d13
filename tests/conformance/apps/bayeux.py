"""The Bayeux server that every host serves, and the questions that a check may put to it.

A question is a publish on ``/is/<what>/<clientId>``: it is accepted where the answer is yes. So checks need nothing
but Bayeux, whatever the server is mounted in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livecollections.bayeux import Policy, Server, Session

from ...bayeux.wire import Log

ORIGIN = "https://app.example"
PATH = "/faye"
LIMIT = 262_144
"""Bytes of one body: as shipped."""

QUESTIONS: dict[str, Callable[[Session | None], bool]] = {
    "alive": lambda session: session is not None,
    "held": lambda session: session is not None and session.held is not None,
    "linked": lambda session: session is not None and session.link is not None,
}


class Asked(Policy):
    """Everything below ``/chat`` is open, questions are answered, and ``/add/<number>`` adds to the log."""

    async def can_publish(self, session: Session | None, channel: str, data: Any) -> bool:
        kind, _, rest = channel[1:].partition("/")
        if kind == "is":
            what, _, client_id = rest.partition("/")
            return QUESTIONS[what](server._exchange.sessions.get(client_id))
        if kind == "add":
            log.add(int(rest))
        return kind == "add" or await super().can_publish(session, channel, data)


server = Server(
    timeout=30,
    pong=2,
    policy=Asked(subscribe=["/chat/**"], publish=["/chat/**"]),
    allowed_origins=[ORIGIN],
)
log = Log(server)
