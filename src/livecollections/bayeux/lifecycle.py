"""A client's life, as a table: where it is on its way to the server, and what moves it on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where a client is on its way to the server."""

    NEW = "new"
    HANDSHAKING = "handshaking"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSING = "closing"
    ENDED = "ended"


class Happening(Enum):
    """What moves a client from state to state."""

    OPEN = "it is opened"
    HANDSHAKEN = "handshake answered"
    CONFIRMED = "connect answered"
    CUT = "cut"
    UNKNOWN = "no session"
    LEAVE = "goodbye"
    END = "it ends"


TRANSITIONS: Mapping[State, Mapping[Happening, State]] = {
    State.NEW: {Happening.OPEN: State.HANDSHAKING, Happening.END: State.ENDED},
    State.HANDSHAKING: {
        Happening.HANDSHAKEN: State.CONNECTING,
        Happening.CUT: State.HANDSHAKING,
        Happening.UNKNOWN: State.HANDSHAKING,
        Happening.END: State.ENDED,
    },
    State.CONNECTING: {
        Happening.CONFIRMED: State.CONNECTED,
        Happening.CUT: State.CONNECTING,
        Happening.UNKNOWN: State.HANDSHAKING,
        Happening.LEAVE: State.CLOSING,
        Happening.END: State.ENDED,
    },
    State.CONNECTED: {
        Happening.CONFIRMED: State.CONNECTED,
        Happening.CUT: State.CONNECTING,
        Happening.UNKNOWN: State.HANDSHAKING,
        Happening.LEAVE: State.CLOSING,
        Happening.END: State.ENDED,
    },
    State.CLOSING: {Happening.END: State.ENDED},
    State.ENDED: {},
}
