"""The client's machine against a model of a server, through any history of cuts, losses, restarts and moves.

The server is a few lines of what Bayeux promises: it keeps a log, remembers the ids of publishes, and sends to a
session what comes after its position. The network may lose either direction of anything at any time.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from livecollections.bayeux.delivery import Delivery, Reset
from livecollections.bayeux.lifecycle import State
from livecollections.bayeux.protocol import SESSIONS, Machine
from livecollections.bayeux.reader import Reader
from livecollections.errors import LiveError, Unreachable

from ..scale import scaled

LIVE = {"version": 1}
LOG, CHAT = "/api/todos", "/chat"
GONE = Unreachable("http://server", {"websocket": "gone"})


def seq(place: int) -> str:
    return f"5e1f03aa{place:016x}0000"


class Session:
    """What the server knows of one client."""

    def __init__(self) -> None:
        self.position: int | None = None
        self.hears_chat = False
        self.seen: set[Any] = set()
        self.plain: list[Any] = []
        self.batch = 0
        self.unacked: list[tuple[int, Any]] = []


class Model:
    """The server."""

    def __init__(self, *, acks: bool) -> None:
        self.acks = acks
        self.log: list[int] = []
        self.published: list[Any] = []
        self.sessions: dict[str, Session] = {}
        self.sessions_ever = 0

    def handle(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        reply = {"channel": message["channel"], "id": message["id"], "successful": True}
        if message["channel"] == "/meta/handshake":
            self.sessions_ever += 1
            client_id = f"s{self.sessions_ever}"
            self.sessions[client_id] = Session()
            ext = {"live": LIVE, **({"ack": True} if self.acks else {})}
            return [
                {
                    **reply,
                    "clientId": client_id,
                    "ext": ext,
                    "advice": {"reconnect": "retry", "timeout": 1000},
                }
            ]
        session = self.sessions.get(message["clientId"])
        if session is None:
            lost = {**reply, "successful": False, "error": "401::Unknown client"}
            is_connect = message["channel"] == "/meta/connect"
            return [{**lost, **({"advice": {"reconnect": "handshake", "interval": 0}} if is_connect else {})}]
        handler = {"/meta/connect": self._connect, "/meta/subscribe": self._subscribe}
        return handler.get(message["channel"], self._publish)(session, message, reply)

    def _connect(
        self, session: Session, message: dict[str, Any], reply: dict[str, Any]
    ) -> list[dict[str, Any]]:
        ext = message.get("ext", {})
        at = ext.get("live", {}).get("at", {}).get(LOG)
        if at is not None and session.position is not None:
            session.position = int(at[8:24], 16)
        if not self.acks:
            return [*self.waiting(session), reply]
        session.unacked = [(batch, told) for batch, told in session.unacked if batch > ext["ack"]]
        again = [told for _, told in session.unacked]
        session.batch += 1
        fresh = [{"channel": CHAT, "data": data} for data in session.plain]
        session.plain = []
        session.unacked += [(session.batch, told) for told in fresh]
        return [*again, *fresh, *self.changes(session), {**reply, "ext": {"ack": session.batch}}]

    def _subscribe(
        self, session: Session, message: dict[str, Any], reply: dict[str, Any]
    ) -> list[dict[str, Any]]:
        if message["subscription"] == CHAT:
            session.hears_chat = True
            return [reply]
        since = message.get("ext", {}).get("live", {}).get("since")
        session.position = len(self.log) if since is None else int(since[8:24], 16)
        return [{**reply, "ext": {"live": {"seq": seq(session.position)}}}]

    def _publish(
        self, session: Session, message: dict[str, Any], reply: dict[str, Any]
    ) -> list[dict[str, Any]]:
        if message["id"] not in session.seen:
            session.seen.add(message["id"])
            self.published.append(message["data"])
            for other in self.sessions.values():
                if other.hears_chat:
                    other.plain.append(message["data"])
        return [reply]

    def changes(self, session: Session) -> list[dict[str, Any]]:
        if session.position is None:
            return []
        first, session.position = session.position, len(self.log)
        return [
            {"channel": LOG, "data": {"method": "PUT", "seq": seq(place + 1), "prev": seq(place)}}
            for place in range(first, len(self.log))
        ]

    def waiting(self, session: Session) -> list[dict[str, Any]]:
        """What may be pushed: with acknowledgements changes alone, since plain messages go with connects."""
        if self.acks:
            return self.changes(session)
        plain, session.plain = session.plain, []
        return [*self.changes(session), *({"channel": CHAT, "data": data} for data in plain)]


class World:
    """A machine, a server and what is between them."""

    def __init__(self, *, is_socket: bool, acks: bool) -> None:
        self.now = 0.0
        self.is_socket = is_socket
        self.server = Model(acks=acks)
        self.machine = Machine(["websocket", "long-polling"], random=lambda: 0.5)
        self.machine.open(self.now)
        self.outcomes: dict[int, LiveError | None] = {}
        self.wanted = 0
        self.changes = Reader(LOG, seq(0), 10_000)
        self.chat = Reader(CHAT, None, 10_000)
        self.machine.listen(LOG, self.changes)
        self.machine.listen(CHAT, self.chat)

    def publish(self) -> None:
        number = self.wanted
        self.wanted += 1
        self.machine.publish(CHAT, number, lambda error, reply: self.outcomes.update({number: error}))

    def turn(self, *, loses_request: bool = False, loses_reply: bool = False) -> None:
        """Time goes on as far as needed, and everything that can be sent is sent."""
        machine = self.machine
        if machine.kind is None:
            self.now = max(self.now, machine.retry_at)
            machine.ready(
                self.now, "websocket" if self.is_socket else "long-polling", is_socket=self.is_socket
            )
        self.now = max(self.now, machine.retry_at if machine.is_idle else self.now)
        for batch in machine.take(self.now):
            if loses_request:
                machine.cut(self.now, GONE)
                return
            answers = [answer for message in batch.messages for answer in self.server.handle(message)]
            if loses_reply:
                machine.cut(self.now, GONE)
                return
            machine.receive(answers, self.now)
        session = self.server.sessions.get(machine.client_id or "")
        if self.is_socket and machine.kind is not None and session is not None:
            machine.receive(self.server.waiting(session), self.now)

    def told(self, reader: Reader) -> list[Any]:
        found: list[Any] = []
        while (item := reader.take()) is not None:
            found.append(item.data if isinstance(item, Delivery) else "reset")
        assert not [item for item in found if isinstance(item, Reset)]
        return found


STEPS = st.lists(
    st.sampled_from(["turn", "write", "publish", "cut", "lose request", "lose reply", "restart", "move"]),
    max_size=60,
)


@settings(max_examples=scaled(300, 5_000), deadline=None)
@given(steps=STEPS, is_socket=st.booleans(), acks=st.booleans())
def test_whatever_happens_changes_are_heard_once_and_publishes_are_told(
    steps: list[str], is_socket: bool, acks: bool
) -> None:
    world = World(is_socket=is_socket, acks=acks)
    restarts = 0
    for step in steps:
        if step == "write":
            world.server.log.append(len(world.server.log))
        elif step == "publish":
            world.publish()
        elif step == "cut":
            world.machine.cut(world.now, GONE)
        elif step == "restart":
            restarts += 1
            world.server.sessions.clear()
        elif step == "move" and world.machine.is_idle and world.machine.kind is not None:
            world.is_socket = not world.is_socket
            kind = "websocket" if world.is_socket else "long-polling"
            world.machine.ready(world.now, kind, is_socket=world.is_socket)
        else:
            world.turn(loses_request=step == "lose request", loses_reply=step == "lose reply")
    for _ in range(12):
        world.turn()
    assert world.machine.state is State.CONNECTED
    heard = [int(data["seq"][8:24], 16) for data in world.told(world.changes)]
    assert heard == list(range(1, len(world.server.log) + 1)), "each change once, in order, none missing"
    if restarts <= SESSIONS:
        assert world.outcomes == dict.fromkeys(range(world.wanted)), "each publish is told that it succeeded"
    if not restarts:
        assert world.server.published == list(range(world.wanted)), "each is published once and in order"
        assert world.server.sessions_ever >= 1
    chat = world.told(world.chat)
    if acks and not restarts and world.server.sessions_ever == 1:
        assert chat == sorted(set(chat)), "what is acknowledged comes once, and in order"
