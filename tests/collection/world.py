"""A world of one server, one line and a few collections, in which everything happens in an order that a seed draws.

Rules: nothing is lost but by a cut or by fate, and each fate is drawn; at the end the network heals, everything
arrives, and what is asked for again later is asked. What must hold is the oracle's matter.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from livecollections.collection.reading import Page

from .log import Entry, Log, Row
from .oracle import Watch
from .stub import Answer, Line, Rest

TITLES = ("a", "b", "c", "d")
SITUATIONS = (
    "push before answer",
    "answer lost after commit",
    "4xx on update", "4xx on create", "4xx on delete",
    "5xx on update", "5xx on create", "5xx on delete",
    "two writes answered in reverse",
    "list begun before a push and answered after it",
    "list between commit and answer of a create",
    "DELETE before a create's answer",
    "create tried again with its origin",
    "reset", "epoch change", "log went back in its epoch", "trim",
    "line cut with messages on it", "messages lost on a line that stays up", "session lost",
    "field removed", "write that changes nothing", "part read", "Live-Signal list", "list with Live-Until",
    "list that waits for the stream", "squashed messages", "answer without Live-Seq", "failed list",
    "change between two pages", "list that tells a create",
)  # fmt: skip


@dataclass(eq=False)
class Operation:
    """A request of a collection, on its way, at the server or back. answer: what is on its way back.

    after, place: of a further page of a list, where it begins, and how far the log was when the one before was read.
    """

    home: Any
    request: Any
    query: Row | None = None
    fate: str = "ok"
    answer: Answer | None = None
    after: tuple[bool, int] | None = None
    place: int = 0
    entry: Entry | None = None
    heard: int = 0


@dataclass(eq=False)
class Home:
    """A collection, and what is on its way for it."""

    watch: Watch
    replica: Any
    writes: Any
    query: Row
    optimistic: bool
    later: bool = False
    lost: list[Any] = field(default_factory=list)


class World:
    """``library`` has the names ``Replica``, ``Writes``, ``Keys``: those of the product, or of a mutant."""

    def __init__(self, seed: int, library: SimpleNamespace) -> None:
        self.rng = random.Random(seed)
        self.log = Log(self.rng)
        self.rest = Rest(self.log, self.rng.random() < 0.4, 1 + seed // 3 % 3 if seed % 3 == 2 else None)
        self.mute = self.rng.random() < 0.1
        self.is_socket = self.rng.random() < 0.5
        self.reads = self.rng.random() < 0.4
        self.line = Line()
        self.is_up = True
        self.operations: list[Operation] = []
        self.counts: Counter[str] = Counter()
        self.backup = self.log.backup()
        self.written = 0
        self.heard: set[str] = set()
        self.origins = 0
        self.causes = 0
        self.trace: list[str] = []
        for _ in range(self.rng.randrange(4)):
            self.log.insert(self._fields())
        self.log.publish()
        setups: list[list[Row]] = [[{}], [{}], [{}, {}], [{"done": True}], [{}, {"done": True}]]
        self.homes = [
            self._home(library, number, query) for number, query in enumerate(self.rng.choice(setups))
        ]
        self.line.subscribe(self._since())
        for home in self.homes:
            home.replica.start()
            self._follow(home)

    def _home(self, library: SimpleNamespace, number: int, query: Row) -> Home:
        replica = library.Replica("/api/todos", library.Keys(), is_signal=bool(query))
        watch = Watch(f"collection {number}", replica, self, query)
        return Home(watch, replica, library.Writes(replica), query, self.rng.random() < 0.6)

    def run(self) -> None:
        for _ in range(self.rng.choice((15, 120, 120))):
            self._step()
            self._check()
        self._heal()

    # One step

    def _step(self) -> None:
        moves = [
            (6, self._stranger), (7, self._user), (7, self._serve), (7, self._answer), (5, self._publish),
            (8, self._deliver), (3, self._later), (1, self._cut), (2, self._reconnect), (2, self._poll),
            (0.6, self._lose_some), (0.15, self._reset), (0.2, self._trim), (0.15, self._restore), (0.3, self._keep),
            (1, self._commit_one), (2, self._went_back),
        ]  # fmt: skip
        weights, actions = zip(*moves, strict=True)
        self.rng.choices(actions, weights)[0]()

    def _fields(self) -> Row:
        rng = self.rng
        return {"title": rng.choice(TITLES), "done": rng.random() < 0.5, "note": rng.choice((None, "n", "m"))}

    def _some(self) -> Row:
        fields = self._fields()
        return {name: fields[name] for name in self.rng.sample(sorted(fields), self.rng.randint(1, 2))}

    def _stranger(self) -> None:
        log, rng = self.log, self.rng
        free = [key for key in log.rows if key not in log.locked]
        kind = rng.choice(("insert", "replace", "replace", "remove", "elsewhere", "begin", "drop field"))
        if kind == "insert" or not free:
            log.insert(self._fields())
        elif kind == "elsewhere":
            log.elsewhere()
        elif kind == "remove":
            log.remove(rng.choice(free))
        elif kind == "begin" and self.rest.postgres:
            log.begin(rng.choice(free), self._some())
        else:
            key = rng.choice(free)
            values = {name: value for name, value in log.rows[key].items() if name not in ("id", "v")}
            if kind == "drop field" and values.pop("note", 0) != 0:
                self.counts["field removed"] += 1
                log.replace(key, values)
            else:
                log.replace(key, {**values, **self._some()})

    def _commit_one(self) -> None:
        if self.log.locked:
            self.log.commit(self.rng.choice(sorted(self.log.locked)))

    def _user(self) -> None:
        home, rng = self.rng.choice(self.homes), self.rng
        keys = [state.key for state in home.replica.documents.shown() if state.key]
        optimistic = home.optimistic
        kind = rng.choice(
            ("create", "create", "update", "update", "replace", "delete", "read", "part", "again")
        )
        self.origins += 1
        origin = f"o{self.origins}"
        if kind == "again":
            if home.lost:
                write = home.lost.pop()
                if write.key is None:
                    before = write.origin
                    home.writes.again(write, origin)
                    self.counts["create tried again with its origin"] += write.origin == before
                    self._leave(home, write)
        elif kind == "create":
            self._leave(home, home.writes.create(self._fields(), origin, optimistic=optimistic))
        elif kind == "read" and self.reads:
            self._leave(home, home.replica.read())
        elif kind == "part" and self.reads and not (home.query and self.rest.postgres):
            self.counts["part read"] += 1
            self._leave(home, home.replica.read({"done": True}))
        elif keys and kind not in ("read", "part"):
            key = rng.choice(keys)
            state = home.replica.documents.get(key)
            if kind == "delete":
                self._leave(home, home.writes.delete(key, origin, optimistic=optimistic))
            elif kind == "update":
                self._leave(home, home.writes.update(key, self._some(), origin, optimistic=optimistic))
            else:
                kept = {
                    name: value for name, value in state.shown.items() if name in ("title", "done", "note")
                }
                document = {**kept, **self._some()}
                self._leave(home, home.writes.replace(key, document, origin, optimistic=optimistic))
        self._follow(home)

    def _leave(self, home: Home, request: Any) -> None:
        fate = self.rng.choices(("ok", "4xx", "5xx", "lost before", "lost after"), (12, 1, 1, 1, 1.5))[0]
        query = None if hasattr(request, "kind") else {**home.query, **(request.query or {})}
        operation = Operation(home, request, query, fate)
        self.operations.append(operation)
        if query is None:
            home.watch.wrote(request)
        self.note(f"{home.watch.name} asks {self._name(operation)} ({fate})")

    @staticmethod
    def _name(operation: Operation) -> str:
        request = operation.request
        if operation.query is not None:
            return f"list {request.query or ''}"
        return f"{request.kind} {request.key} {request.body} {request.origin}"

    def _serve(self) -> None:
        """A request arrives at the server, which answers."""
        waiting = [one for one in self.operations if one.answer is None and not self._is_blocked(one)]
        if not waiting:
            return
        one = self.rng.choice(waiting)
        kind = "list" if one.query is not None else one.request.kind
        one.heard = self._pushes
        if one.fate in ("4xx", "5xx"):
            if kind != "list":
                self.counts[f"{one.fate} on {'update' if kind == 'replace' else kind}"] += 1
            one.answer = Answer(self.rng.choice((403, 422)) if one.fate == "4xx" else 503, era=self.log.era)
        elif one.fate == "lost before":
            one.answer = Answer(None, era=self.log.era)
        elif one.query is not None:
            one.answer = self.rest.list(one.query, one.after, () if self.mute else one.request.asked or ())
            self.counts["list that tells a create"] += bool(one.answer.created)
            is_changed = any(each.is_ours and each.place > one.place for each in self.log.entries)
            self.counts["change between two pages"] += one.after is not None and is_changed
            one.place = self.log.place
            creates = [
                each for each in self.operations if each.query is None and each.request.kind == "create"
            ]
            self.counts["list between commit and answer of a create"] += any(each.answer for each in creates)
            self.counts["list with Live-Until"] += one.answer.until is not None
            self.counts["Live-Signal list"] += one.answer.is_signal
        else:
            request = one.request
            key = None if request.key is None else int(request.key)
            one.answer = self.rest.write(request.kind, key, request.body, request.origin)
            one.entry = one.answer.entry
            if request.kind == "create":
                one.home.watch.made(request, one.entry)
            self.counts["write that changes nothing"] += one.answer.status == 200 and one.answer.entry is None
            if one.fate == "lost after":
                self.counts["answer lost after commit"] += one.answer.entry is not None
                one.answer = Answer(None, era=one.answer.era)
        self.note(f"server did {self._name(one)}: {one.answer}")

    def _is_blocked(self, one: Operation) -> bool:
        return one.query is None and one.request.key is not None and int(one.request.key) in self.log.locked

    _pushes = 0

    def _answer(self) -> None:
        """An answer arrives."""
        ready = [one for one in self.operations if one.answer is not None]
        if not ready:
            return
        one = self.rng.choice(ready)
        self.operations.remove(one)
        self.note(f"{one.home.watch.name} is answered {self._name(one)}: {one.answer}")
        answer, home = one.answer, one.home
        assert answer is not None
        if one.query is not None:
            self._list_arrives(one, answer)
        else:
            self._write_answered(one, answer)
        if answer.era != self.log.era:
            home.watch.forget_order()
        home.replica.settled()
        self._follow(home)

    def _list_arrives(self, one: Operation, answer: Answer) -> None:
        reading, replica = one.request, one.home.replica
        if answer.status != 200:
            self.counts["failed list"] += 1
            replica.read_failed(reading)
            return
        self.counts["list begun before a push and answered after it"] += self._pushes > one.heard
        reading.pages.append(Page(answer.body, answer.seq, answer.until))
        if answer.created is not None:
            reading.created = {**(reading.created or {}), **answer.created}
        reading.channel, reading.is_signal = "/api/todos", answer.is_signal
        if answer.next is not None and reading.is_whole:
            fate = self.rng.choices(("ok", "5xx"), (20, 1))[0]
            self.operations.append(
                Operation(one.home, reading, one.query, fate, after=answer.next, place=one.place)
            )
            return
        with one.home.watch.is_listed(reading.pages[0].seq):
            replica.listed(reading)
        self.counts["list that waits for the stream"] += reading in replica.requests

    def _write_answered(self, one: Operation, answer: Answer) -> None:
        write, home = one.request, one.home
        older = [each for each in self.operations if each.query is None and each.request.state is write.state]
        self.counts["two writes answered in reverse"] += any(
            each.request.stamp < write.stamp for each in older
        )
        seq = None if self.mute and self.rng.random() < 0.5 else answer.seq
        self.counts["answer without Live-Seq"] += seq is None and answer.seq is not None
        if answer.entry is not None:
            self.counts["push before answer"] += (home.replica.position or "") >= (answer.seq or "")
            gone = answer.entry.method == "POST" and answer.entry.key not in self.log.rows
            self.counts["DELETE before a create's answer"] += gone
        before = None if write.state is None else dict(write.state.shown)
        home.watch.settles(write, answer.status)
        if answer.status is not None and answer.status < 300:
            home.writes.answered(write, answer.body, seq)
        else:
            home.writes.failed(write, answer.status, seq)
            self._follow(home)
            home.watch.check_kept(write, before)
            if write.kind == "create":
                home.lost.append(write)

    def _publish(self) -> None:
        self.log.publish()
        if self.is_up:
            squash = self.rng.random() < 0.1
            before = len(self.line.down)
            self.line.flow(self.log, squash)
            self.counts["squashed messages"] += squash and len(self.line.down) > before

    def _deliver(self) -> None:
        """Some of what is on the line arrives together, at both ends."""
        if not self.is_up:
            return
        if self.line.up:
            self.line.arrive(self.log)
        count = self.rng.randint(1, 4)
        batch, self.line.down = self.line.down[:count], self.line.down[count:]
        for kind, told in batch:
            if kind == "message":
                self._pushes += 1
                self.heard.add(told.get("origin", ""))
            self.note(f"line: {kind} {told}")
            for home in self.homes:
                with home.watch.hears(kind, told):
                    self._tell(home, kind, told)
        for home in self.homes:
            home.replica.settled()
            self._follow(home)

    def _tell(self, home: Home, kind: str, told: Any) -> None:
        if kind == "message":
            home.replica.heard(told)
        elif kind == "last":
            home.replica.behind(told)
        else:
            self.line.is_asking = False
            home.replica.began(*told)

    def _later(self) -> None:
        for home in self.homes:
            if home.later:
                home.later = False
                home.replica.unread()
                self._follow(home)

    def _follow(self, home: Home) -> None:
        """Do what the collection asks for."""
        asks = home.replica.take_asks()
        if asks.resume:
            self.line.subscribe(self._since())
        for reading in asks.reads:
            self._leave(home, reading)
        home.later = home.later or asks.later
        home.watch.hear(home.replica.take_changes())

    def _since(self) -> str | None:
        positions = [home.replica.position for home in self.homes]
        known = [one for one in positions if one is not None]
        # What is of another log is reset in any case.
        return min(known, default=None)

    # Faults

    def _cut(self) -> None:
        if self.is_up:
            self.counts["line cut with messages on it"] += any(
                kind == "message" for kind, _ in self.line.down
            )
            self.is_up = False
            self.line.cut()

    def _reconnect(self) -> None:
        if self.is_up:
            return
        self.is_up = True
        if self.line.sent is None or self.rng.random() < 0.4:
            self.counts["session lost"] += 1
            self.line = Line()
            self.line.subscribe(self._since())
        else:
            self._again()

    def _again(self) -> None:
        """The same session goes on: the connect tells the positions, and who waits to be set back asks again."""
        self.line.connect(self.log, self._since())
        if any(not home.replica.is_joined for home in self.homes):
            self.line.subscribe(self._since())

    def _poll(self) -> None:
        """The next connect; on a socket that has had one it only tells who is behind."""
        if self.is_up and not self.line.up:
            self.line.connect(self.log, self._since(), sets_back=not self.is_socket)

    def _lose_some(self) -> None:
        if self.is_up and any(kind == "message" for kind, _ in self.line.down):
            self.counts["messages lost on a line that stays up"] += 1
            at = self.rng.randrange(len(self.line.down))
            if self.line.down[at][0] == "message":
                del self.line.down[at]

    def _reset(self) -> None:
        self.counts["reset"] += 1
        self.causes += 1
        if self.rng.random() < 0.5:
            self.log.rows = {key: row for key, row in self.log.rows.items() if self.rng.random() < 0.5}
            for key in set(self.log.locked) - set(self.log.rows):
                self.log.entries.remove(self.log.locked.pop(key))
        self.log.draw("RESET")

    def _trim(self) -> None:
        trimmed = self.log.trim(self.rng.randrange(3))
        self.counts["trim"] += trimmed
        self.causes += trimmed

    def _keep(self) -> None:
        self.backup, self.written = self.log.backup(), self.origins

    def _restore(self) -> None:
        """The database as it was.

        In the same epoch the server can tell by the position that is resumed from, if that is the newest: so with one
        collection, which has written nothing since, and with nothing under way.
        """
        is_plain = len(self.homes) == 1 and not self.operations and self.written == self.origins
        fresh = not is_plain or self.backup["epoch"] != self.log.epoch or self.rng.random() < 0.5
        self.counts["epoch change" if fresh else "log went back in its epoch"] += 1
        self.causes += 1
        self.note(f"restored, {fresh=}")
        self.log.restore(self.backup, fresh)
        self._cut()
        self.line = Line()
        for home in self.homes:
            home.watch.restored()

    def _went_back(self) -> None:
        """What has been heard of a row is undone by a restore, in the same epoch."""
        if len(self.homes) == 1 and not self.operations and self.is_up and self.homes[0].replica.is_joined:
            self._keep()
            self._stranger()
            self._publish()
            while self.line.down or self.line.up:
                self._deliver()
            self._restore()

    # The end

    def _heal(self) -> None:
        for _ in range(400):
            while self.log.locked:
                self._commit_one()
            for one in self.operations:
                one.fate = "ok" if one.query is not None else one.fate
            self._reconnect()
            self._publish()
            self._serve()
            self._answer()
            while self.line.down or self.line.up:
                self._deliver()
                self._check()
            self._later()
            if not self.operations and self._is_quiet():
                break
        # Two connects: what is lost is told by the first, and asked for by the second.
        for _ in range(3):
            self._poll()
            self._settle_down()
        for home in self.homes:
            home.watch.finish()

    def _settle_down(self) -> None:
        for _ in range(200):
            self._publish()
            while self.line.down or self.line.up:
                self._deliver()
            self._serve()
            self._answer()
            self._later()
            self._check()

    def _is_quiet(self) -> bool:
        return not self.line.down and not self.line.up and not any(home.later for home in self.homes)

    def _check(self) -> None:
        for home in self.homes:
            home.watch.check()

    def note(self, text: str) -> None:
        self.trace.append(text)
