"""What must hold at every moment of a history, and at its end.

Rules: no document twice; the states shown of a document only get newer; while a write is unanswered no field that
it sends shows any value but the program's; changes alone are enough to keep a view; at the end the collection equals
the server's rows, but for what reports itself unsaved and has a reason to; each reset has a cause of its own in what
has just arrived.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from livecollections.change import is_foreign

if TYPE_CHECKING:
    from .log import Row
    from .world import World


class Violation(AssertionError):
    """Something that must not be."""


class Watch:
    """One collection's oracle. query: which rows are its."""

    def __init__(self, name: str, replica: Any, world: World, query: Row) -> None:
        self.name = name
        self.replica = replica
        self.world = world
        self.query = query
        self.view: dict[str, Row] = {}
        self.seen: dict[str, tuple[int, int]] = {}
        self.seqs: dict[str, str] = {}
        self.writes: list[Any] = []
        self.frozen: dict[Any, Row] = {}
        self.states: dict[Any, Any] = {}
        self.outcomes: dict[Any, int | None] = {}
        self.entries: dict[Any, Any] = {}
        self.restores = 0
        self.allowed = (0, 0)

    def fail(self, text: str) -> None:
        raise Violation(f"{self.name}: {text}\n" + "\n".join(self.world.trace[-60:]))

    # What happens

    def wrote(self, write: Any) -> None:
        if write not in self.writes:
            self.writes.append(write)
        else:
            self.writes.append(self.writes.pop(self.writes.index(write)))
        self.outcomes.pop(write, None)
        state = write.state
        shown = dict(state.shown) if state is not None and not write.optimistic else dict(write.body or {})
        self.frozen[write] = shown
        self.states[write] = state

    def settles(self, write: Any, status: int | None) -> None:
        self.outcomes[write] = status

    def made(self, write: Any, entry: Any) -> None:
        """The server has obeyed a create."""
        before = self.entries.setdefault(write, entry)
        if before is not entry and not self.restores:
            self.fail(f"the create {write.body} was made twice: {before.key}, {entry.key}")

    def restored(self) -> None:
        self.restores += 1

    @contextmanager
    def hears(self, kind: str, told: Any) -> Iterator[None]:
        """What is taken meanwhile is good for one reset, if it is the cause of one."""
        position, is_cause = self.replica.position, False
        if kind == "message":
            is_cause = told["method"] == "RESET" or is_foreign(position, told["seq"])
            is_cause = is_cause or is_foreign(position, told.get("prev"))
        elif kind == "began":
            start, is_reset = told
            is_cause = is_reset or is_foreign(position, start)
        with self._allowing(is_cause, False):
            yield

    @contextmanager
    def is_listed(self, seq: str | None) -> Iterator[None]:
        """The list that is taken meanwhile discards what was asked for before, if it is of another log."""
        with self._allowing(False, is_foreign(self.replica.position, seq)):
            yield

    @contextmanager
    def _allowing(self, reset: bool, era: bool) -> Iterator[None]:
        self._check_resets()
        self.allowed = (self.allowed[0] + reset, self.allowed[1] + era)
        yield
        self._check_resets()
        self.allowed = self._begun()

    def _begun(self) -> tuple[int, int]:
        """How often it was reset, and how often a list began an era."""
        return self.replica.resets, self.replica.era - self.replica.resets

    def _check_resets(self) -> None:
        if any(begun > allowed for begun, allowed in zip(self._begun(), self.allowed, strict=True)):
            self.fail(f"began anew {self._begun()} times, and had cause for {self.allowed}")

    def forget_order(self) -> None:
        """What an answer of an earlier log shows orders nothing."""
        self.seen.clear()

    def hear(self, changes: list[Any]) -> None:
        for change in changes:
            self.world.note(
                f"  {self.name} {change.kind} {change.key or change.draft} {change.document} {change.seq}"
            )
            name = change.draft or change.key
            before = self.view.get(name)
            if change.previous != before:
                self.fail(
                    f"{change.kind} of {name} says it was {change.previous}, but it was told as {before}"
                )
            if change.kind == "remove":
                self.view.pop(name, None)
                continue
            if (change.kind == "add") != (before is None):
                self.fail(f"{change.kind} of {name}, which was {before}")
            if change.draft and change.key:
                self.view.pop(name, None)
                name = change.key
                if name in self.view:
                    self.fail(f"{name} is shown twice")
            self.view[name] = change.document
            self._check_order(change)

    def _check_order(self, change: Any) -> None:
        version = change.document.get("v")
        # An answer that tells no seq counts at less than what it shows.
        if change.key is None or version is None or change.seq is None or self.world.mute:
            return
        now = (change.document["era"], version)
        before = self.seen.get(change.key)
        if before is not None and now < before:
            self.fail(f"shows an older state of {change.key}: {before}, then {now}")
        self.seen[change.key] = now
        seq, last = change.seq, self.seqs.get(change.key)
        if not self.world.causes and seq and last and seq < last:
            self.fail(f"the seqs of {change.key} fall: {last}, then {seq}")
        if seq:
            self.seqs[change.key] = seq

    # What holds after every step

    def check(self) -> None:
        self._check_resets()
        documents = self.replica.documents
        shown = {state.key or state.draft: state for state in documents.shown()}
        if len(shown) != sum(1 for _ in documents.shown()):
            self.fail("a document is shown twice")
        if {name: state.published for name, state in shown.items()} != self.view:
            self.fail(f"changes tell {self.view}, it shows {[state.published for state in shown.values()]}")
        for key in documents.hiding:
            if key in shown:
                self.fail(f"shows {key} while it is being deleted")
        for state in shown.values():
            self._check_pending(state)
        for write, entry in self.entries.items() if not self.restores else ():
            self._check_double(write, entry)

    def _check_pending(self, state: Any) -> None:
        writes = [one for one in self.writes if self.states[one] is state and one.kind != "delete"]
        pending = [one for one in writes if one not in self.outcomes]
        for name in ("title", "done", "note"):
            first = next((one for one in pending if name in one.sent), None)
            if first is None:
                continue
            since = [one for one in writes[writes.index(first) :] if name in one.sent]
            said = [one for one in since if one.optimistic or one.kind == "create"]
            allowed = [(one.body or {}).get(name) for one in since if one in self.outcomes]
            allowed.append((said[-1].body or {}).get(name) if said else self.frozen[first].get(name))
            if state.published.get(name) not in allowed:
                self.fail(
                    f"{name} of {state.key} shows {state.published.get(name)} while {allowed} is being saved"
                )

    def check_kept(self, write: Any, before: Row | None) -> None:
        """After a failure the fields that an optimistic write sent keep the program's values."""
        state = write.state
        if (
            write.optimistic
            and before is not None
            and state in self.replica.documents
            and write.kind != "delete"
        ):
            for name in write.sent:
                if state.shown.get(name) != before.get(name):
                    self.fail(
                        f"{name} of {state.key} was {before.get(name)}, after a failure {state.shown.get(name)}"
                    )

    def _check_double(self, write: Any, entry: Any) -> None:
        """While a create is unanswered, or if its answer was lost, its row is no second document."""
        state, other = write.state, self.replica.documents.get(str(entry.key))
        # A list of a server that does not tell shows the row beside the draft, until that is tried again.
        is_untold = not write.is_pending and self.world.mute
        if is_untold or entry.is_reused or state.published is None or state.key is not None:
            return
        if other is None or other is state or other.published is None:
            return
        if other.published.get("v") == entry.body["v"]:
            self.fail(f"shows {other.published} beside {state.published}, which is it")

    # What holds at the end

    def finish(self) -> None:
        self.check()
        replica, log = self.replica, self.world.log
        if not replica.is_joined:
            self.fail("is not live")
        query = self.query
        rows = {
            str(key): row for key, row in log.rows.items() if all(row.get(n) == v for n, v in query.items())
        }
        shown = set()
        for state in replica.documents.shown():
            failures = [one for one in self.writes if one.state is state and not self._went_well(one)]
            if state.key is None:
                if not failures:
                    self.fail(f"shows {state.published}, which never failed, as new")
                self._check_lost(state)
                continue
            shown.add(state.key)
            if state.is_unsaved:
                if not failures:
                    self.fail(f"{state.key} says unsaved, and nothing has failed")
            elif state.key not in rows:
                self.fail(f"shows {state.key}, which the server has not")
            elif {name: value for name, value in state.published.items() if name != "era"} != rows[state.key]:
                self.fail(f"shows {state.published}, the server has {rows[state.key]}")
        if rows.keys() - shown:
            self.fail(f"lacks {rows.keys() - shown}")
        for write in self.writes:
            self._check_dropped(write)
        if replica.resets and not self.world.causes:
            self.fail(f"was reset {replica.resets} times without a cause")
        if replica._waiting or replica.requests or replica.documents.hiding or replica.documents.held:
            self.fail("something still waits")

    def _went_well(self, write: Any) -> bool:
        status = self.outcomes.get(write)
        return status is not None and status < 300

    def _check_dropped(self, write: Any) -> None:
        """What the server never had stays shown, as the user's own."""
        state = write.state
        is_ours = write.kind == "create" and write.optimistic and write not in self.entries
        if is_ours and state not in self.replica.documents:
            self.fail(f"has dropped {write.body}, whose create failed")

    def _check_lost(self, state: Any) -> None:
        """A create whose answer was lost is its row as soon as the push with its origin is heard."""
        if self.world.causes or self.query:
            return
        origins = {one.origin for one in self.writes if one.state is state}
        made = [
            entry
            for entry in self.world.log.entries
            if entry.origin in origins & self.world.heard and entry.key in self.world.log.rows
        ]
        if made:
            self.fail(f"{state.published} is still new, though its row {made[0].key} was pushed")
