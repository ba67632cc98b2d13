"""Replica: joins a list that was read with a stream of changes, so that the two together equal the server's rows.

Rules 1, 4 and 7 of the design's section 6: newer only; a gap is made good by going on from the position, a reset by
reading again; where the list is not the whole of a channel, a message only says "read again".
Nothing is awaited here: what happened is told by a call, what is to be asked then stands in ``take_asks()``, and
what is shown otherwise in ``take_changes()``. Own writes are ``Writes``' matter.

Another server tells no seqs (``is_unnumbered``). Then the original's strategy serves: messages apply as they come, and
each beginning of the stream is a reset, since nobody can tell what was before. What came after a list was asked for
counts as newer than it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..change import is_foreign, is_forked, is_news, is_older, is_same_log
from .asks import Asks
from .documents import Documents
from .key import Keys
from .reading import Reading, Row
from .state import Document, DocumentChange
from .write import Write


class Replica:
    """One collection's view of the server.

    channel: as guessed from the path, until a list names it.  is_signal: whether a push tells only that something
    changed; the list says so too.  rows, seq: what is known already; without ``seq`` the first thing is to read.

    position: up to where it has everything.  begun: where its stream began.  joined: the list and the stream are one.
    is_unnumbered: whether the stream tells no seqs; then those of lists and answers say nothing either.
    error: why it will never be live: the server doesn't tell what this needs.
    """

    def __init__(
        self,
        channel: str,
        keys: Keys,
        *,
        is_signal: bool = False,
        rows: Sequence[Document] = (),
        seq: str | None = None,
    ) -> None:
        self.channel = channel
        self.documents = Documents(keys)
        self.position = seq
        self.begun: str | None = None
        self.era = 0
        self.joined = seq is not None
        self.is_unnumbered = False
        self.error: str | None = None
        self.requests: set[Reading | Write] = set()
        self.resets = 0
        self._is_signal = is_signal
        self._needed = seq is None
        self._behind = False
        self._again = False
        self._entered = 0
        self._is_broken = True
        self._rejoined = 0
        self._missed: str | None = None
        self._top: str | None = None
        self._base: str | None = None
        self._told: tuple[int, str | None] = (0, None)
        self._waiting: list[Reading] = []
        self._asks = Asks()
        self._changes: list[DocumentChange] = []
        for row in rows:
            if (key := keys.of(row)) is not None:
                self.documents.put(key, row, seq)
        self.documents.floor = seq

    # What comes of it

    @property
    def is_joined(self) -> bool:
        """Whether nothing is known to be missing, as far as a stream that is confirmed tells."""
        return self.joined and not self._behind and self.error is None

    def take_asks(self) -> Asks:
        """What is to be asked now, once."""
        asks, self._asks = self._asks, Asks()
        asks.later = asks.later and self._needed and not self.is_reading()
        return asks

    def take_changes(self) -> list[DocumentChange]:
        """What is shown otherwise since the last time, in order."""
        self._commit()
        changes, self._changes = self._changes, []
        return changes

    # The stream

    def start(self) -> None:
        """Begin; the stream is being subscribed to, ``begun`` comes when it is confirmed."""
        self.unread()

    def began(self, start: str | None, is_reset: bool) -> None:
        """The stream is confirmed, and tells everything after ``start``. is_reset: it can't tell from our position."""
        self._behind = False
        was_broken, self._is_broken = self._is_broken, False
        if start is None:
            if was_broken or not self.is_unnumbered:
                self.is_unnumbered = True
                self.reset(None)
            return
        if self.is_unnumbered:
            self.is_unnumbered, self.joined, self._needed = False, False, True
        if is_reset or is_foreign(self.position, start):
            self.reset(start)
            return
        if self.position is None:
            self.position, self._entered = start, self.documents.stamp()
        elif was_broken:
            self._rejoined = self.documents.stamp()
        if self.begun is None:
            self.begun = start
        if was_broken:
            self._doubt_answers()
        if is_older(self.position, start):
            self._resume()
        elif not self.is_reading():
            self.unread()

    def _doubt_answers(self) -> None:
        """Of what own answers have told, and the stream has not, the server may know nothing any more.

        It vouches for our position only; that its log went back to between the two, a list will show.
        """
        is_ahead = is_older(self.position, self._top)
        if self.documents.doubt(lambda seq: is_older(self.position, seq)) or is_ahead:
            self._top = None
            for one in self.requests:
                if isinstance(one, Reading):
                    one.era = -1
            self._give_up()
            self.unread(needed=True)

    def lost(self) -> None:
        """The way is cut, or the session has ended; ``began`` comes when it goes on. A first list is in doubt."""
        self._is_broken, self._missed = True, None
        self._rejoined = self.documents.stamp() if self.position is None else self._rejoined

    def behind(self, last: str) -> None:
        """The server says what it has sent last.

        That comes with the answer to a connect, and what it sends again on it may come after: only what is still
        missing by the next answer of the same line has been lost.
        """
        is_behind = is_older(self.position, last)
        if is_behind and self._missed == self.position:
            self._resume()
        self._missed = self.position if is_behind else None

    def heard(self, data: Mapping[str, Any]) -> None:
        """A message of the channel. There is a gap if and only if its ``prev`` is after the position."""
        method, seq, position = data.get("method"), data.get("seq"), self.position
        if self.is_unnumbered and self.error is None:
            self._heard_unnumbered({**data, "seq": None})
            return
        if method is None or seq is None or position is None or self.error is not None:
            return
        prev = data.get("prev")
        is_same = is_same_log(seq, position)
        is_repeat = is_same and seq <= position
        has_gap = method != "RESET" and is_older(position, prev)
        if is_forked(seq, position) or (prev is not None and is_forked(prev, position)):
            self.reset(seq)
        elif not is_same or has_gap or (is_repeat and method == "RESET"):
            self._resume()
        elif is_repeat:
            self._recognise(data, is_repeat=True)
        else:
            self._advance(data)

    def _heard_unnumbered(self, data: Mapping[str, Any]) -> None:
        """Apply a message as it comes; which are our creates', their answers will show."""
        body, documents = data.get("body"), self.documents
        key = documents.keys.of(body) if isinstance(body, dict) else None
        if key is None or not isinstance(body, dict) or not isinstance(data.get("method"), str):
            return
        if self._is_signal:
            self.unread(needed=True)
            return
        self.outdate(key)
        if data["method"] != "DELETE" and documents.get(key) is None and documents.holds():
            documents.hold(key, body, None)
        else:
            documents.held.pop(key, None)
            self._apply(data)

    def outdate(self, key: str) -> None:
        """What lists that are under way show of a document is old: without seqs they can't tell."""
        for one in self.requests if self.is_unnumbered else ():
            if isinstance(one, Reading):
                one.outdated.add(key)

    def _advance(self, data: Mapping[str, Any]) -> None:
        self.position = data["seq"]
        hold = self._hold()
        if data["method"] == "RESET":
            self.reset(data["seq"])
        elif hold is None or hold.messages is None:
            self._apply(data)
        else:
            hold.messages.append(dict(data))
            self._reached()

    def settled(self) -> None:
        """What came together has been told."""
        self._reached()
        self._commit()
        self._forget_tombs()

    def reset(self, start: str | None) -> None:
        """What happened can't be told: read again.

        What is known stays until the list comes, so that nothing from before brings back an older state: answers from
        before ``start`` tell ids only.
        """
        self.resets += 1
        self.era += 1
        self.documents.reset(start, self.position)
        self._top, self._base, self.position, self.begun = None, start, start, start
        self._give_up()
        self.joined = False
        self.unread(needed=True)

    def _resume(self) -> None:
        self._behind, self.begun = True, self.position
        self._asks.resume = True

    def _apply(self, data: Mapping[str, Any]) -> None:
        body, seq, is_own = data.get("body"), data["seq"], self._recognise(data)
        key = None if body is None else self.documents.keys.of(body)
        if self._is_signal:
            self.unread(needed=True)
        elif body is None or key is None:
            return
        elif data["method"] == "DELETE":
            self.documents.remove(key, seq, own=is_own)
        elif data["method"] == "PUT" and self.documents.get(key) is None and self._doubts():
            # It was made before the stream began: a list tells whose it is.
            self.documents.hold(key, body, seq)
            self.release()
        else:
            self.documents.put(key, body, seq, own=is_own)

    def _recognise(self, data: Mapping[str, Any], is_repeat: bool = False) -> bool:
        """Whether a message is of a write of our own. A push with the origin of a create *is* what that has made."""
        origin = data.get("origin")
        is_own = False
        for one in self.requests if origin is not None else ():
            if isinstance(one, Write) and one.origin == origin:
                is_own = one.is_heard = True
        write = None if data["method"] == "DELETE" else self.documents.creates.pop(str(origin), None)
        if write is None:
            return is_own
        assert write.state is not None
        key, documents, state = self.documents.keys.of(data["body"]), self.documents, write.state
        if key is not None and state.key in (None, key):
            write.key = write.key or key
            other, is_held = documents.get(key), key in documents.held
            has_gone = documents.is_buried(key, data["seq"])
            if other is not state:
                if has_gone or (is_repeat and other is None and not is_held):
                    documents.miss(state, data["body"], data["seq"])
                else:
                    documents.identify(write, key)
        self.release()
        return True

    def release(self, asked: Collection[str] | None = None) -> None:
        """Show what was held for creates, once a list has told of all. asked: of which an older one has told."""
        documents, doubts = self.documents, self._doubts()
        if not documents.held or documents.holds():
            return
        if not doubts:
            documents.release()
        elif asked is not None and set(doubts).issubset(asked):
            self._needed = True
        else:
            self.unread(needed=True)

    def _doubts(self) -> list[str]:
        return [] if self.is_unnumbered else self.documents.doubts()

    # Reading

    def is_reading(self) -> bool:
        """Whether a read of the whole list is under way that still counts."""
        return any(isinstance(one, Reading) and one.is_whole and one.era == self.era for one in self.requests)

    def unread(self, needed: bool = False) -> None:
        """Read if there is need, one at a time."""
        self._needed = self._needed or needed
        if self._needed and self.error is None:
            waits = any(one.era == self.era for one in self._asks.reads)
            self._again = self.is_reading() and not waits
            if not self._again and not waits:
                self._asks.reads.append(self.read())

    def doubt(self) -> None:
        """Something is there of which only a list can tell; one that is read after a reset is on its way anyhow."""
        self._needed = True
        if self.documents.floor is not None:
            self.unread()

    def read(self, query: Document | None = None) -> Reading:
        """Note a read that leaves now. query: of a part, which merges and removes nothing."""
        reading = Reading(query is None, query, self.documents.stamp(), self.era, self.position)
        reading.asked = None if self.is_unnumbered else tuple(self.documents.doubts())
        self.requests.add(reading)
        return reading

    def read_failed(self, reading: Reading) -> None:
        """A read got no list."""
        self._end(reading)
        self._asks.later = True

    def listed(self, reading: Reading) -> None:
        """A read has brought its list, all pages of it.

        What its rows may show already of what the stream has not told yet (``Live-Until``) they show together with it.
        """
        old = self._hold()
        self._admit(reading)
        if reading.is_whole and not reading.is_useless:
            reading.messages = []
            if old is not None and old.messages is not None:
                if old.until and is_same_log(old.until, reading.label or ""):
                    reading.messages, old.messages = old.messages, []
                old.is_useless = True
                self._waiting.remove(old)
                self._join(old)
        if self._is_signal or not is_older(self.position, reading.until):
            self._join(reading)
        else:
            self._waiting.append(reading)

    def _admit(self, reading: Reading) -> None:
        """What a list means for the collection as a whole. Without ``Live-Seq`` it counts at where we were."""
        seq = reading.pages[0].seq
        label = reading.label = None if self.is_unnumbered else seq or reading.at
        top, is_other = reading.top, is_foreign(label, self.position)
        is_late = (
            reading.era != self.era
            or any(is_foreign(page.seq, label) for page in reading.pages)
            or (is_other and (not reading.is_whole or reading.stamp < self._entered))
            or self._is_past(reading, label)
            or (reading.stamp < self._rejoined and is_older(self.position, top))
        )
        self.told(reading.stamp, seq)
        is_old = is_older(label, self.documents.floor) or (reading.is_whole and is_older(top, self._top))
        reading.is_useless = is_late or is_old
        if reading.is_useless or not reading.is_whole:
            return
        if reading.channel is not None:
            self._is_signal = reading.is_signal
            if reading.channel != self.channel:
                self.channel, self.begun, self._asks.channel = reading.channel, None, reading.channel
        has_lost = bool(self.documents.lost(label, reading.stamp))
        is_early = is_older(label, self.begun) or (has_lost and is_older(label, self.position))
        reading.joins = label is not None or self.is_unnumbered
        if seq is not None and reading.channel is None:
            self.error = "the server names no channel for this list, so nobody would tell of changes"
        if any(self.documents.keys.of(row) is None for page in reading.pages for row in page.rows):
            names = ", ".join(self.documents.keys.fields)
            self.error = f"there is a document without {names}: say with `key` what its key is"
        self._top = top
        self.documents.floor = label or self.documents.floor
        if is_other:
            self.documents.clear_stale()
            self.era += 1
            reading.era = self.era
        if is_other or self.position is None:
            self._entered = self.documents.stamp()
        if label and (is_other or is_early or is_older(self.position, label) or self.position is None):
            self.position = label
        if is_other or is_early:
            self._resume()
        if reading.joins:
            self._needed = self._again

    def _join(self, reading: Reading) -> None:
        reading.is_useless = reading.is_useless or reading.era != self.era
        self.joined = self.joined or (reading.joins and not reading.is_useless)
        if not reading.is_useless:
            self._reconcile(reading)
        is_lagging = self._needed and self.joined and not self._again
        self._end(reading)
        if is_lagging:
            self._asks.later = True
        elif (self.begun is not None or self.is_unnumbered) and not self.is_reading():
            self.unread(self._again)

    def _reconcile(self, reading: Reading) -> None:
        """Rows go by rule; only a whole list removes what it lacks, and nothing that is newer than it."""
        documents, label, holds = self.documents, reading.label, self.documents.holds(reading.told)
        if reading.is_whole:
            documents.forget(documents.lost(label, reading.stamp))
        listed: dict[str, Row] = {}
        for page in reading.pages:
            seq = reading.seq_of(page, waits=not self._is_signal)
            for row in page.rows:
                if (key := documents.keys.of(row)) is None:
                    continue
                listed[key] = row, seq
                if key in reading.outdated:
                    continue
                state = documents.get(key)
                # No push will show what a row has that is newer than an own answer, so a later list has to.
                if self._is_signal and state is not None and is_older(seq, state.version):
                    self._needed = True
                if state is None and holds and not documents.is_buried(key, seq):
                    documents.hold(key, row, seq)
                else:
                    documents.put(key, row, seq, listed=True)
        for told in reading.creates_in(listed, documents.keys):
            self._recognise(told, is_repeat=True)
        if reading.is_whole:
            self._remove_missing(reading, listed)
            documents.order(list(listed))
        for data in reading.messages or ():
            if is_older(label, data["seq"]):
                self._apply(data)
            else:
                self._recognise(data, is_repeat=True)
        self.release(reading.told)

    def _remove_missing(self, reading: Reading, listed: Mapping[str, Row]) -> None:
        documents, label = self.documents, reading.label
        documents.drop_held(listed, label, everything=self._is_signal)
        for state in list(documents):
            if state.key is None or state.key in listed or state.key in reading.outdated:
                continue
            if is_news(label, state.version) and state.stamp <= reading.stamp:
                documents.drop(state, label)
            elif self._is_signal:
                self._needed = True

    def _hold(self) -> Reading | None:
        return next((one for one in self._waiting if one.messages is not None), None)

    def _give_up(self) -> None:
        """No list that waits is of use any more; what was told meanwhile is, and whose creates that were."""
        if (hold := self._hold()) is not None and hold.messages is not None:
            for data in hold.messages:
                self._apply(data)
        self._reached(everything=True)

    def _reached(self, everything: bool = False) -> None:
        """What has waited for the stream goes on when that is there, or can't get there."""
        ripe = [one for one in self._waiting if everything or not is_older(self.position, one.until)]
        self._waiting = [one for one in self._waiting if one not in ripe]
        for reading in sorted(ripe, key=lambda one: one.messages is None):
            self._join(reading)

    # Requests

    def counts(self, request: Reading | Write, label: str | None) -> bool:
        """Whether an answer, with this seq, is of our era and our log."""
        return (
            request.era == self.era
            and not is_foreign(label, self.position)
            and not is_older(label, self._base)
            and not self._is_past(request, label)
        )

    def told(self, stamp: int, seq: str | None) -> None:
        """A request that left at ``stamp`` was answered: answers from another log to earlier ones are late."""
        if seq is not None and stamp > self._told[0]:
            self._told = (stamp, seq)

    def _is_past(self, request: Reading | Write, label: str | None) -> bool:
        return request.stamp < self._told[0] and is_foreign(label, self._told[1])

    def ended(self, write: Write) -> None:
        """A write of our own has been answered, or never will be.

        One that left before the stream was confirmed again may have been answered from what the log has lost since.
        """
        self._end(write)
        if write.stamp < self._rejoined:
            self._doubt_answers()

    def _end(self, request: Reading | Write) -> None:
        self.requests.discard(request)
        self._forget_tombs()

    def _forget_tombs(self) -> None:
        waits = self.documents.held or self._waiting
        first = 0 if waits else min((one.stamp for one in self.requests), default=1 << 62)
        self.documents.forget_tombs(first, self.position)

    def _commit(self) -> None:
        self._changes += self.documents.commit()
