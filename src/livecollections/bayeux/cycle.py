"""The cycle of connects: the states of a session, and what moves it from one to another.

It knows no session.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where a session is in the cycle of connects."""

    HANDSHAKEN = "handshaken"
    IDLE = "idle"
    HELD = "held"
    ENDED = "ended"


class Happening(Enum):
    """What moves a session from state to state."""

    ANSWER = "a connect is answered at once"
    HOLD = "a connect is held"
    RELEASE = "the held connect is answered or lost"
    END = "disconnected, expired, overflown or denied"


TRANSITIONS: Mapping[State, Mapping[Happening, State]] = {
    State.HANDSHAKEN: {Happening.ANSWER: State.IDLE, Happening.HOLD: State.HELD, Happening.END: State.ENDED},
    State.IDLE: {Happening.ANSWER: State.IDLE, Happening.HOLD: State.HELD, Happening.END: State.ENDED},
    State.HELD: {Happening.RELEASE: State.IDLE, Happening.END: State.ENDED},
    State.ENDED: {},
}
