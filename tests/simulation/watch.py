"""Watches: what each reader is told, judged as it comes, and once more when all has settled.

Three rules. A document's seqs only rise, and nothing at or below the floor is shown (G2). What is shown with a seq is
what the database held then. A reset that a reader is told has its cause in the database (G1). Judgement rests on the
ledger, on what the reader asked for and on what it shows; never on what the server says of itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from livecollections.bayeux import Delivery, Reset

from .ledger import EPOCH, Ledger, Row, Violation, number_of

UNDER_WAY = 10.0
"""Seconds for which an answer to what was asked may be under way; after these a client gives the way up."""
SUBSCRIBE, CONNECT = "/meta/subscribe", "/meta/connect"
BEHIND = 1.0
"""Seconds by which messages may come after the answer that they belong to."""


def now() -> float:
    """Seconds of virtual time."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Wish:
    """A write that a collection's program asks for.  key: None for a create.  title: None for a delete."""

    kind: str
    key: str | None
    title: str | None


class Told:
    """The resets of one reader, each judged by where he is, and by the positions in the messages that he has sent.

    It is an extension of his client. at: where his stream is: what it began with, or what came last.
    """

    def __init__(self, name: str, ledger: Ledger, channel: str) -> None:
        self.name = name
        self.ledger = ledger
        self.channel = channel
        self.at: str | None = None
        self.causes: list[str] = []
        self._asked: dict[tuple[str, str], float] = {}

    def outgoing(self, message: Mapping[str, Any]) -> None:
        """He may say from where he wants to hear, or where he is."""
        live = message.get("ext", {}).get("live", {})
        if message.get("subscription") == self.channel and "since" in live:
            self._asked[SUBSCRIBE, live["since"]] = now() + UNDER_WAY
        elif self.channel in live.get("at", ()):
            # The connect before is answered by now, or given up.
            self._shorten(CONNECT)
            self._asked[CONNECT, live["at"][self.channel]] = now() + UNDER_WAY

    def incoming(self, message: Mapping[str, Any]) -> None:
        """What he asked with before may be answered; what it is answered with comes now."""
        if message.get("subscription") == self.channel:
            self._shorten(SUBSCRIBE, CONNECT)

    def _shorten(self, *asking: str) -> None:
        for (how, seq), end in self._asked.items():
            if how in asking:
                self._asked[how, seq] = min(end, now() + BEHIND)

    def is_reset(self, position: str | None, held: Iterable[str] = ()) -> str:
        """He is told a reset; the answer is its cause.

        Args:
            position: up to where he has everything.  held: places of what he shows, which must not be gone.
        """
        self.ledger.look()
        asked = [seq for (_, seq), end in self._asked.items() if end >= now()]
        places = [seq for seq in (position, self.at, *reversed(asked)) if seq is not None]
        for cause in (*map(self.ledger.why_reset, places), *map(self.ledger.why_gone, held)):
            if cause is not None:
                self.causes.append(cause)
                return cause
        raise Violation("G1", f"{self.name} was reset at {places}, and nothing is missing there")


class CollectionWatch:
    """One collection's."""

    def __init__(self, name: str, collection: Any, ledger: Ledger, note: Any) -> None:
        self.name = name
        self.collection = collection
        self.ledger = ledger
        self.replica = collection._replica
        self.told = Told(name, ledger, self.replica.channel)
        self.view: dict[str, Any] = {}
        self.seqs: dict[str, tuple[str, int]] = {}
        self.error: Violation | None = None
        self.is_left = False
        self._position: str | None = None
        self._wishes: list[Wish] = []
        self._note = note
        self._hook(collection._follower)

    def _hook(self, follower: Any) -> None:
        told, began, heard, reset = follower._told, follower.began, follower.heard, self.replica.reset

        def on_told(changes: list[Any]) -> None:
            self._judge(lambda: self._hear(changes))
            told(changes)

        def on_began(start: Mapping[str, str], resets: Collection[str]) -> None:
            self._position = self.replica.position
            began(start, resets)
            self.told.at = start.get(self.replica.channel)

        def on_heard(delivery: Delivery) -> bool:
            self._position = self.replica.position
            wishes: bool = heard(delivery)
            self.told.at = delivery.seq
            return wishes

        def on_reset(start: str) -> None:
            held = [state.version for state in self.replica.documents if state.version is not None]
            cause: list[str] = []
            self._judge(lambda: cause.append(self.told.is_reset(self._position, held)))
            self._note(f"{self.name} is reset: {''.join(cause) or 'without a cause'}")
            reset(start)

        follower._told, follower.began, follower.heard = on_told, on_began, on_heard
        self.replica.reset = on_reset

    def _judge(self, judgement: Any) -> None:
        """A violation is kept for the run to find: what raises in a listener is only logged."""
        try:
            judgement()
        except Violation as error:
            self.error = self.error or error

    # What its program does

    def wishes(self, wish: Wish) -> None:
        """A write is asked for."""
        self._wishes.append(wish)

    def is_granted(self, wish: Wish) -> None:
        """A write was answered with success; what is not stays a reason to be unsaved."""
        self._wishes.remove(wish)

    def stops_reading(self) -> None:
        """Its host takes nothing; what is squashed for it is judged by what it shows."""

    def reads_on(self) -> None:
        """Its host takes again what comes."""

    # As it happens

    def _hear(self, changes: list[Any]) -> None:
        if changes:
            self.ledger.look()
        # A document that was told before its create was answered goes, and stands where the draft was.
        named = {change.key for change in changes if change.draft}
        for change in changes:
            self._fold(change)
            if change.seq is not None and change.key is not None:
                self._check_seq(change)
                self._check_content(change, is_told=change.kind == "remove" and change.key in named)

    def _fold(self, change: Any) -> None:
        """Who only hears the steps has the same documents."""
        name = change.draft or change.key
        self._note(
            f"{self.name} shows {change.kind} {name} {_short(change.document)} at {_place(change.seq)}"
        )
        before = self.view.get(name)
        if change.previous != before or (change.kind == "add") != (before is None):
            raise Violation(
                "G3",
                f"{self.name}: {change.kind} of {name} from {change.previous}, but it was told as {before}",
            )
        if change.kind == "remove" or (change.draft and change.key):
            self.view.pop(name, None)
        if change.kind == "remove":
            return
        if change.draft and change.key and change.key in self.view:
            raise Violation("G3", f"{self.name} shows {change.key} twice")
        self.view[change.key or change.draft] = change.document

    def _check_seq(self, change: Any) -> None:
        seq, floor, lost = change.seq, self.replica.documents.floor, self.ledger.lost
        last, before = self.seqs.get(change.key, (seq, len(lost)))
        was_lost = any(last.endswith(entry.place) for entry in lost[before:])
        if last[:EPOCH] == seq[:EPOCH] and self._is_fork_free(last, seq) and seq < last and not was_lost:
            raise Violation("G2", f"{self.name}: the seqs of {change.key} fall from {last} to {seq}")
        if floor is not None and self._is_fork_free(floor, seq) and seq < floor:
            raise Violation("G2", f"{self.name} shows {change.key} at {seq}, below the floor {floor}")
        self.seqs[change.key] = seq, len(lost)

    def _is_fork_free(self, *seqs: str) -> bool:
        return all(self.ledger.knows(seq) for seq in seqs)

    def _check_content(self, change: Any, *, is_told: bool) -> None:
        """What is shown, or is no more, is what the database held at that seq, where no own write lies over it."""
        ledger, key, documents = self.ledger, change.key, self.replica.documents
        if not ledger.has_known(change.seq):
            raise Violation("G1", f"{self.name} shows {key} at {change.seq}, which was never committed")
        state = documents.get(key)
        is_own = state is None or state.saves or state.kept
        if change.kind == "remove":
            # That it has gone a 404 tells without a seq, and counts at the position when its request left.
            is_gone = change.own and ledger.has_gone_since(int(key), change.seq)
            is_own = is_told or documents.hiding[key] or is_gone
        if is_own or ledger.is_dim(change.seq):
            return
        held = ledger.state_at(int(key), change.seq)
        if held != change.document:
            raise Violation(
                "G1", f"{self.name} shows {change.document} at {change.seq}, the database held {held}"
            )

    # When all has settled

    def left(self) -> None:
        """It is held no more: what it showed last is not judged by the end."""
        self.is_left = True

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way, and it is where the log ends."""
        replica = self.replica
        position = replica.position
        return (
            self.collection.live == "live"
            and not replica.requests
            and position is not None
            and self.ledger.knows(position)
            and number_of(position[EPOCH:]) >= self.ledger.top
        )

    def finish(self, rows: Mapping[int, Row]) -> None:
        """It equals GET, but for what reports itself unsaved (G1)."""
        collection = self.collection
        if self.error is not None:
            raise self.error
        if self.is_left:
            return
        shown = {key: collection[key] for key in collection.keys()}  # noqa: SIM118  it is no mapping
        unsaved, drafts = set(collection.unsaved), collection.drafts
        if len(shown) + len(drafts) != len(collection):
            raise Violation("G1", f"{self.name} shows {list(collection)}, its keys are {list(shown)}")
        self._check_unsaved(unsaved, drafts)
        for name in {str(key) for key in rows} | shown.keys():
            if name not in unsaved and shown.get(name) != rows.get(int(name)):
                raise Violation(
                    "G1", f"{self.name} shows {shown.get(name)}, GET says {rows.get(int(name))} of {name}"
                )
        if {name: view for name, view in self.view.items() if name not in drafts} != shown:
            raise Violation("G3", f"{self.name}: its changes tell {self.view}, it shows {shown}")

    def _check_unsaved(self, unsaved: Collection[str], drafts: Mapping[str, Any]) -> None:
        """What reports itself unsaved has a write of its own program that was not answered with success."""
        made = {wish.title for wish in self._wishes if wish.kind == "create"}
        changed = {wish.key for wish in self._wishes if wish.kind in ("update", "replace")}
        if unfounded := set(unsaved) - changed - self.ledger.keys_of(made):
            raise Violation(
                "G1", f"{self.name} calls {sorted(unfounded)} unsaved; no write of them has failed"
            )
        for origin, document in drafts.items():
            if document["title"] not in made:
                raise Violation("G1", f"{self.name} calls {document} a draft; no such create has failed")
            if self.ledger.is_alive(origin):
                raise Violation("G1", f"{self.name} calls {document} a draft, and it was made")


class PlainWatch:
    """One plain subscriber's: he hears in order, each entry once per position asked for, and all of them (G3)."""

    def __init__(self, name: str, ledger: Ledger, channel: str, since: str | None, note: Any) -> None:
        self.name = name
        self.ledger = ledger
        self.told = Told(name, ledger, channel)
        self.start = since
        self.heard: list[str] = []
        self.error: Violation | None = None
        self.is_left = self._is_stopped = False
        # Where he did not read: after which number, and up to which; None while that is not over.
        self._stops: list[tuple[int, int | None]] = []
        self._note = note

    def left(self) -> None:
        """He hears no more."""
        self.is_left = True

    @property
    def position(self) -> str | None:
        """Up to where he has heard."""
        return self.heard[-1] if self.heard else self.start

    def stops_reading(self) -> None:
        """His host takes nothing of what comes."""
        self._is_stopped = True
        if not self._is_behind:
            self._stops.append((0 if self.position is None else number_of(self.position[EPOCH:]), None))

    def reads_on(self) -> None:
        """His host takes again what comes."""
        self._is_stopped = False
        self._look_up()

    @property
    def _is_behind(self) -> bool:
        """Whether he has stopped, and has not heard up to the end of the log since."""
        return bool(self._stops) and self._stops[-1][1] is None

    def _look_up(self) -> None:
        if self._is_behind and not self._is_stopped and self.is_settled:
            self._stops[-1] = self._stops[-1][0], self.ledger.top

    def _may_squash(self, number: int) -> bool:
        return any(low < number and (high is None or number <= high) for low, high in self._stops)

    def began(self, positions: Mapping[str, str]) -> None:
        """The server has confirmed; without a position of his own that is where he begins."""
        if self.start is None and not self.heard:
            self.start = next(iter(positions.values()), None)

    def hear(self, item: Delivery | Reset) -> None:
        """Take what his subscription gives."""
        self.ledger.look()
        position = self.position
        if isinstance(item, Reset) or item.is_reset:
            cause = self.told.is_reset(position)
            self._note(f"{self.name} is reset: {cause}")
            self._check_whole(self._common())
            self.start, self.heard = item.seq, []
            is_behind = self._is_behind and item.seq is not None
            self._stops = [(number_of(str(item.seq)[EPOCH:]), None)] if is_behind else []
            self._look_up()
            return
        seq = item.seq
        self._note(
            f"{self.name} hears {item.data['method']} {_short(item.data.get('body'))} at {_place(seq)}"
        )
        if seq is None:
            raise Violation("G3", f"{self.name} hears {item.data} without a seq")
        if position is not None and seq[:EPOCH] == position[:EPOCH] and seq <= position:
            raise Violation("G3", f"{self.name} hears {seq} after {position}")
        self._check_content(item)
        self.heard.append(seq)
        self._look_up()

    def _common(self) -> str | None:
        """Up to where he has heard of what the log still has: what it lost after that is told by a reset."""
        common = [*takewhile(self.ledger.knows, self.heard)]
        return common[-1] if common else self.start

    def _check_content(self, item: Delivery) -> None:
        if not self.ledger.has_known(str(item.seq)):
            raise Violation("G3", f"{self.name} hears {item.data}, which was never committed")
        if self.ledger.is_blind:
            return
        body, seq = item.data["body"], str(item.seq)
        held = self.ledger.state_at(body["id"], seq)
        told = None if item.data["method"] == "DELETE" else body
        if held != told:
            raise Violation("G3", f"{self.name} hears {told} at {seq}, the database held {held}")

    @property
    def is_settled(self) -> bool:
        """Whether he is where the log ends."""
        position = self.position
        return (
            position is not None
            and self.ledger.knows(position)
            and number_of(position[EPOCH:]) >= self.ledger.top
        )

    def finish(self, rows: Mapping[int, Row]) -> None:
        """He has heard all that was committed since he began, or was told a reset."""
        if self.error is not None:
            raise self.error
        self._check_whole(self.position if self.is_left else self.ledger.last)

    def _check_whole(self, end: str | None) -> None:
        """Nothing up to an end was passed over; only who has stopped reading is told the last of several."""
        known = self.ledger.knows
        if self.start is None or end is None or not known(self.start) or not known(end):
            return
        heard = {seq[EPOCH:] for seq in self.heard}
        last = {}
        for entry in self.ledger.after(self.start):
            if entry.number > number_of(end[EPOCH:]):
                break
            # Whoever is told a RESET begins anew there.
            if entry.method == "RESET":
                raise Violation("G3", f"{self.name} was never told {entry}")
            last[entry.key] = entry
            if entry.place not in heard and not self._may_squash(entry.number):
                raise Violation("G3", f"{self.name} was never told {entry}")
        if missing := [entry for entry in last.values() if entry.place not in heard]:
            raise Violation("G3", f"{self.name} was never told {missing}")


def _short(document: Any) -> str:
    return "-" if document is None else str(document.get("title"))


def _place(seq: str | None) -> str:
    return "?" if seq is None else f"{number_of(seq[EPOCH:])}"
