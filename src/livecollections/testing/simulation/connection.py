"""A connection between two hosts: two pipes and two ends, and what faults do to both.

Two rules. A connection that was cut, or severed, never comes back. What is lost is lost with its connection: bytes
are late or gone with all that follows them, never changed or put in another order.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from .end import End
from .line import Line
from .pipe import Pipe, Reset
from .process import Process
from .requests import Requests

if TYPE_CHECKING:
    from .network import Network


class Connection:
    """A TCP connection.

    number: among all of a simulation.  client, server: the processes that it joins.  source: the client's address as
    the server sees it; None: its host's.  late: seconds more that the next bytes take.
    """

    def __init__(
        self,
        network: Network,
        number: int,
        client: Process,
        server: Process,
        port: int,
        random: Random,
        source: str | None = None,
    ) -> None:
        self.loop = network.loop
        self.number = number
        self.requests = Requests()
        self.is_severed = False
        self.late = 0.0
        self._network = network
        self._random = random
        self._hosts = client.host, server.host
        self.lines: tuple[Line, Line] = network.line(client.host), network.line(server.host)
        near, far = (source or client.host.address, 40_000 + number), (server.host.address, port)
        self.client = End(self, client, near, far)
        self.server = End(self, server, far, near)
        for one, other in ((self.client, self.server), (self.server, self.client)):
            one.outgoing = other.incoming = Pipe(self.loop, self, random, other, one.freed, one.fail)

    def __repr__(self) -> str:
        return f"#{self.number}"

    @property
    def ends(self) -> tuple[End, End]:
        """The client's and the server's."""
        return self.client, self.server

    @property
    def is_over(self) -> bool:
        """Whether both ends have gone."""
        return self.client.is_gone and self.server.is_gone

    # The way.

    @property
    def is_clear(self) -> bool:
        return not (
            self.is_severed
            or self.lines[0].is_cut_off
            or self.lines[1].is_cut_off
            or self._hosts[0].is_asleep
            or self._hosts[1].is_asleep
        )

    def latency(self) -> float:
        late, self.late = self.late, 0.0
        return late + self.lines[0].latency(self._random) + self.lines[1].latency(self._random)

    def resume(self) -> None:
        """The way may be clear again."""
        self.client.outgoing.resume()
        self.server.outgoing.resume()

    # What travels.

    def sent(self, end: End, data: bytes) -> bytes:
        """Bytes are given to the system; the answer is what is sent of them."""
        return self._network.sent(self, end, data)

    def arrived(self, end: End, piece: bytes | Reset) -> None:
        """A piece has come to an end."""
        self._network.arrived(self, end, piece)

    # Faults.

    def cut(self, *, reset: bool = True) -> None:
        """End it in the middle: with RST to both sides, or with FIN."""
        for end in self.ends:
            end.outgoing.cut(resets=reset)

    def sever(self) -> None:
        """Let nothing through any more, and tell neither side."""
        self.is_severed = True
