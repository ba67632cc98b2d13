"""Straight: writes one frame to many sockets by their descriptors, past the transports that own these.

Three rules. Where it can't be written so, all of it or a part, its transport gets what is left, and nothing is written
past that until it has gone. A descriptor is lent: its owner takes it back before it closes the socket, so that nothing
is ever written to another one that has its number by then. A socket that is encrypted lends none.

It knows no session, and nothing of what is written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from os import write

logger = logging.getLogger("livecollections.bayeux")

NONE = -1
"""The descriptor of no socket."""


class Straight:
    """What writes to one socket.

    descriptor: of the socket, while it is open and nothing waits in its transport; else none.  put: the transport's own
    way.
    """

    __slots__ = ("descriptor", "put")

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self.descriptor = NONE
        self.put = put

    def __call__(self, frame: bytes) -> None:
        """Write to this one alone."""
        try:
            sent = write(self.descriptor, frame)
        except OSError:
            sent = 0
        if sent != len(frame):
            self.put(frame[sent:])


def write_to(straights: Sequence[Straight], frame: bytes) -> Iterator[int]:
    """Write to sockets; at which it failed, since they have just been closed."""
    size = len(frame)
    rest = iter(straights)
    # This is what a message costs for each of its receivers: one call, which writes.
    for one in rest:
        try:
            sent = write(one.descriptor, frame)
        except OSError:
            sent = 0
        if sent != size:
            try:
                one.put(frame[sent:])
            except Exception as error:
                # It has just been closed, and its reader does not know yet.
                logger.debug("a socket could not be written to: %r", error)
                yield len(straights) - length_hint(rest) - 1
