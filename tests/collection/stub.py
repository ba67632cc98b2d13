"""The stub server's REST, and the line that its messages travel on.

Rules: ``Live-Seq`` never says more than the body holds; a write is labelled with its own entry, one that changed
nothing with the last place that was drawn. A line is in order, and loses what is on it when it is cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .log import Log, Row

WRITABLE = ("title", "done", "note")


@dataclass
class Answer:
    """status None: none came.  era: of the log that it was made from.  next: where the next page of a list begins."""

    status: int | None
    body: Any = None
    seq: str | None = None
    until: str | None = None
    is_signal: bool = False
    era: int = 0
    entry: Any = None
    next: tuple[bool, int] | None = None
    created: dict[str, Row] | None = None


class Rest:
    """postgres: lists are labelled with the watermark, and may hold more (``Live-Until``).

    limit: rows of a page; None: lists are not cut.
    """

    def __init__(self, log: Log, postgres: bool, limit: int | None) -> None:
        self.log = log
        self.postgres = postgres
        self.limit = limit

    def list(self, query: Row, after: tuple[bool, int] | None = None, asked: tuple[str, ...] = ()) -> Answer:
        """Sorted by what may change, so that a row may move from one page to another.

        asked: creates, by origin; it tells which of them were done.
        """
        log = self.log
        rows = [
            row for row in log.rows.values() if all(row.get(name) == value for name, value in query.items())
        ]
        rows = sorted((row for row in rows if after is None or _sorting(row) > after), key=_sorting)
        page = rows[: self.limit]
        place = log.place
        answer = Answer(200, [log.shown(row) for row in page], is_signal=bool(query), era=log.era)
        if asked:
            done = {origin: log.answers[origin].entry for origin in asked if origin in log.answers}
            answer.created = {origin: {"id": entry.key} for origin, entry in done.items()}
        answer.next = _sorting(page[-1]) if len(page) < len(rows) else None
        if self.postgres:
            place = max(log.trimmed.place, log.watermark - log.rng.randrange(2))
            newer = [one for one in log.entries if one.is_ours and one.committed and one.place > place]
            answer.until = log.seq_of(newer[-1]) if newer else None
        answer.seq = log.seq_at(place)
        return answer

    def write(self, kind: str, key: int | None, body: Row | None, origin: str) -> Answer:
        log = self.log
        values = {name: value for name, value in (body or {}).items() if name in WRITABLE}
        if kind == "create":
            if origin not in log.answers:
                entry = log.insert(values, origin)
                log.answers[origin] = self._written(201, entry, dict(entry.body or {}))
            answer: Answer = log.answers[origin]
            return answer
        assert key is not None
        if key not in log.rows:
            return Answer(404, era=log.era)
        if kind == "delete":
            return self._written(204, log.remove(key, origin), None)
        if kind == "update":
            values = {
                name: value for name, value in {**log.rows[key], **values}.items() if name not in ("id", "v")
            }
        entry_or_none = log.replace(key, values, origin)
        return self._written(200, entry_or_none, log.rows[key])

    def _written(self, status: int, entry: Any, row: Row | None) -> Answer:
        log = self.log
        seq = log.seq_of(entry) if entry else log.seq_at(log.place)
        return Answer(status, row and log.shown(row), seq, era=log.era, entry=entry)


def _sorting(row: Row) -> tuple[bool, int]:
    return bool(row.get("done")), row["id"]


@dataclass
class Line:
    """One session's subscription and its transport.

    sent: the place up to which its messages are on the way; None: not subscribed.  up: since of subscriptions under
    way to the server.  down: what is on the way to the client, in order.
    """

    sent: int | None = None
    is_asking: bool = False
    up: list[str | None] = field(default_factory=list)
    down: list[tuple[str, Any]] = field(default_factory=list)

    def subscribe(self, since: str | None) -> None:
        if not self.is_asking:
            self.is_asking = True
            self.up.append(since)

    def arrive(self, log: Log) -> None:
        """The oldest subscription arrives at the server."""
        since = self.up.pop(0)
        place = None if since is None else log.locate(since)
        is_reset = since is not None and place is None
        self.sent = log.published if place is None else place
        start = since if place is not None else log.seq_at(log.published)
        self.down.append(("began", (start, is_reset)))
        self.flow(log)

    def flow(self, log: Log, squash: bool = False) -> None:
        """What has been published goes out."""
        if self.sent is not None and self.sent < log.published:
            self.down += [("message", data) for data in log.messages(self.sent, squash)]
            self.sent = log.published

    def connect(self, log: Log, at: str | None, sets_back: bool = True) -> None:
        """A connect that tells the position: that of a fresh socket, or a poll, sets the subscription back to it."""
        if self.sent is None or at is None:
            return
        place = log.locate(at)
        if place is None and sets_back:
            self.sent = log.published
            self.down.append(("message", {"method": "RESET", "seq": log.seq_at(log.published)}))
            return
        if place is not None and place < self.sent:
            last = [
                one for one in log.entries if one.is_ours and one.place <= self.sent and one.place > place
            ]
            if last:
                self.down.append(("last", log.seq_of(last[-1])))
            self.sent = place if sets_back else self.sent
        self.flow(log)

    def cut(self) -> None:
        self.up.clear()
        self.down.clear()
        self.is_asking = False
