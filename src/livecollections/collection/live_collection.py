"""LiveCollection: a resource's documents in a Python program, equal to what ``GET`` says, whoever writes them.

Two rules. What it gives is the reader's own: a copy that never changes by itself. A write returns when the server has
answered it, and until then shows nothing (or, in an optimistic collection, shows at once what the program said).
"""

from __future__ import annotations

import asyncio
import secrets
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

from ..bayeux.client import Client, check_count
from ..errors import (
    BayeuxError,
    ClientClosed,
    HandshakeRefused,
    LiveError,
    NotLive,
    RequestError,
    Unconfirmed,
)
from .changes import Changes
from .follower import Follower, Live
from .form import Form
from .replica import Replica
from .rest import Rest, query_texts
from .sender import Sender
from .state import Document, DocumentChange, DocumentState
from .turn import Turn
from .write import Write, is_definite
from .writes import Writes

D = TypeVar("D")
NOT_OPEN = "the collection is not open: use `async with`"


class LiveCollection(Generic[D]):
    """The documents of one resource; made by ``LiveClient.collection``.

    ``async with`` it: entered, it has read and is subscribed; left, nothing of it is left. It is entered once.
    Iterating gives the documents, in the order of the list, new ones after the others. While the server is away it
    keeps what it has, and catches up by itself. Keys are given as text, or as values of the model's own types.
    """

    def __init__(
        self,
        path: str,
        bayeux: Client,
        rest: Rest,
        replica: Replica,
        form: Form,
        *,
        optimistic: bool,
        timeout: float,
        tries: int | None,
    ) -> None:
        self._path = path
        self._replica = replica
        self._documents = replica.documents
        self._writes = Writes(replica)
        self._form = form
        self._optimistic = optimistic
        self._timeout = timeout
        self._tries = tries
        self._turn = Turn()
        self._follower = Follower(bayeux, rest, replica, self._told, self._turn.happen)
        self._sender = Sender(path, rest, self._writes, self._turn, timeout)
        self._readers: weakref.WeakKeyDictionary[Changes, None] = weakref.WeakKeyDictionary()
        self._drafts: dict[str, Write] = {}
        self._was_entered = False

    def __repr__(self) -> str:
        return f"LiveCollection({self._path!r}, {self.live}, {len(self)} documents)"

    # Beginning and end

    async def __aenter__(self) -> Self:
        """Subscribe and read.

        Raises:
            RequestError: the server refuses to give the list.
            BayeuxError: it refuses the subscription.
            NotLive: it has no changes to tell of this list.
            ClientError: it can't be reached, or does not answer, within the client's ``timeout`` and ``tries``.
        """
        if self._was_entered:
            raise ClientClosed("a collection is entered once: make another")
        self._was_entered = True
        try:
            self._follower.start()
            await self._wait_live(self._timeout, self._first_error)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hear no more. What is there stays readable, and changes that wait are still told."""
        try:
            await self._follower.stop()
        finally:
            for reader in self._readers:
                reader.close()

    # State

    @property
    def live(self) -> Live:
        """ "off", "connecting", "live", "stale" (the server speaks another version) or "refused"."""
        return self._follower.live

    @property
    def error(self) -> LiveError | None:
        """What has last kept it from being live, as far as that is known."""
        return self._follower.error

    async def wait_live(self, timeout: float | None = None) -> None:
        """Return when nothing is known to be missing.

        Args:
            timeout: seconds to wait at most; None: for ever.

        Raises:
            BayeuxError: the server refuses the subscription.
            NotLive: waiting is no use.
            ClientError: it did not come true in time; which one says why not, as far as that is known.
        """
        await self._wait_live(timeout, self._lasting_error)

    async def wait_until(
        self, condition: Callable[[LiveCollection[D]], object], timeout: float | None = None
    ) -> None:
        """Return when ``condition(collection)`` is true; it is asked again whenever something has changed.

        Args:
            timeout: seconds to wait at most; None: for ever.

        Raises:
            TimeoutError: it did not come true in time.
        """
        async with asyncio.timeout(timeout):
            await self._turn.wait_until(lambda: bool(condition(self)))

    async def _wait_live(self, timeout: float | None, error: Callable[[], LiveError | None]) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._turn.wait_until(lambda: self.live == "live" or error() is not None)
        except TimeoutError:
            # On a busy loop it may have come true in the very turn in which the time ran out.
            if self.live != "live" and error() is None:
                raise self._reason() or Unconfirmed(f"{self._path}, live", f"it is {self.live}") from None
        if (found := error()) is not None and self.live != "live":
            raise found

    def _reason(self) -> LiveError | None:
        """``error``, where a session that was lost is no refusal of this subscription: the client gets another."""
        error = self.error
        is_said = not isinstance(error, BayeuxError) or isinstance(error, HandshakeRefused)
        if is_said or error is self._follower.refusal:
            return error
        return Unconfirmed(f"{self._path}, live", str(error))

    def _lasting_error(self) -> LiveError | None:
        if self.live in ("live", "connecting"):
            return None
        if self.live == "refused":
            return self._follower.refusal
        reason = self._follower.stale or "it is closed" if self._was_entered else "it is not entered"
        return NotLive(self._path, reason)

    def _first_error(self) -> LiveError | None:
        error = self._reason()
        if isinstance(error, RequestError) and is_definite(error.status):
            return error
        if self._tries is not None and self._follower.failures >= self._tries and error is not None:
            return error
        # Whether there is such a list at all, its own answer tells better than the refusal of a channel.
        return None if self._replica.is_reading() else self._lasting_error()

    # Reading

    def __len__(self) -> int:
        return sum(1 for _ in self._documents.shown())

    def __iter__(self) -> Iterator[D]:
        return iter([self._form.present(_shown(state)) for state in self._documents.shown()])

    def __contains__(self, key: object) -> bool:
        """Whether it holds the document with this key, or this document's."""
        return self._state(key) is not None

    def __getitem__(self, key: Any) -> D:
        """The document with this key, now. Raises KeyError."""
        state = self._state(key)
        if state is None:
            raise KeyError(key)
        document: D = self._form.present(_shown(state))
        return document

    def get(self, key: Any, default: D | None = None) -> D | None:
        """The document with this key, or ``default``."""
        state = self._state(key)
        return default if state is None else self._form.present(_shown(state))

    def keys(self) -> list[str]:
        """The keys of the documents as text, in their order; an optimistic create has none before its answer."""
        return [state.key for state in self._documents.shown() if state.key is not None]

    def changes(self, *, buffer: int = 1000) -> Changes:
        """The changes of what is shown, from now on: ``async for change in collection.changes()``.

        Each reader hears all of them, in order. Of what waits beyond ``buffer``, the steps of one document become one.
        They end when the collection is closed.
        """
        check_count("buffer", buffer)
        reader = Changes(self._form.present, buffer)
        if self.live == "off" and self._was_entered:
            reader.close()
        self._readers[reader] = None
        return reader

    async def read(self, query: Mapping[str, Any] | None = None) -> None:
        """Read the list again; a collection that is live needs no such thing.

        Args:
            query: read a part: what it brings is merged, and nothing removed.

        Raises: RequestError, Unreachable, Unconfirmed, ConfigurationError.
        """
        wanted = None if query is None else query_texts(query)
        if self.live == "off":
            raise ClientClosed(NOT_OPEN)
        if (error := await self._follower.read(self._replica.read(wanted))) is not None:
            raise error

    # Writing

    async def create(self, document: Mapping[str, Any] | D) -> D:
        """Make a document, and return it as the server made it, with its key.

        A lost answer is asked for again with the same Idempotency-Key, so it is made once.

        Args:
            document: a dictionary or a model; what is not set is left to the server.

        Raises:
            RequestError: the server refuses it; ``errors`` says which fields are wrong.
            Unreachable: it was never sent.
            Unconfirmed: it may have been made or not. If it was, it appears.
        """
        body = self._form.body(document)
        write = self._writes.create(body, _token(), optimistic=self._optimistic)
        return await self._make(write)

    async def update(self, key: Any, fields: Mapping[str, Any] | None = None, /, **more: Any) -> D:
        """Change some fields of a document (PATCH), and return it as it is then.

        Args:
            key: of the document.  fields, more: the new values; None is null.

        Raises:
            RequestError: the server refuses it.  DocumentNotFound: there is none.
            Unreachable: it was never sent.  Unconfirmed: it may have been done or not.
        """
        text = self._form.key(key)
        body = self._form.body({**(fields or {}), **more})
        write = self._writes.update(text, body, _token(), optimistic=self._optimistic)
        return await self._send(write, text)

    async def replace(self, key: Any, document: Mapping[str, Any] | D) -> D:
        """Put a whole document in the place of another (PUT), and return it as it is then. Raises as ``update``."""
        text = self._form.key(key)
        write = self._writes.replace(text, self._form.body(document), _token(), optimistic=self._optimistic)
        return await self._send(write, text)

    async def delete(self, key: Any) -> None:
        """Delete a document. Raises as ``update``."""
        text = self._form.key(key)
        write = self._writes.delete(text, _token(), optimistic=self._optimistic)
        await self._sent(write, text)

    def set_local(self, key: Any, fields: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Set fields of this program's own beside a document's: no server hears of them. Raises KeyError."""
        if key not in self:
            raise KeyError(key)
        self._writes.set_local(self._form.key(key), self._form.body({**(fields or {}), **more}))
        self._follower.follow()

    # What an optimistic write leaves behind when it fails

    @property
    def unsaved(self) -> list[str]:
        """The keys of documents that show what a failed write has sent, until a newer state comes."""
        return [state.key for state in self._documents.shown() if state.key and state.is_unsaved]

    @property
    def drafts(self) -> dict[str, D]:
        """The creates that are shown and have failed, by their tokens."""
        failed = {draft: write.state for draft, write in self._drafts.items() if write.key is None}
        return {
            draft: self._form.present(_shown(state)) for draft, state in failed.items() if state is not None
        }

    async def retry(self, draft: str) -> D:
        """Try a failed create again; what may have been made is not made twice. Raises KeyError, and as ``create``."""
        write = self._drafts.pop(draft)
        if write.key is None:
            self._writes.again(write, _token())
        return await self._make(write)

    def discard(self, draft: str) -> None:
        """Show a failed create no more. Raises KeyError."""
        self._writes.discard(self._drafts.pop(draft))
        self._follower.follow()

    # Inside

    async def _make(self, write: Write) -> D:
        try:
            return await self._send(write, None)
        finally:
            state = write.state
            if (
                state is not None
                and state.draft is not None
                and state.key is None
                and state in self._documents
            ):
                self._drafts[state.draft] = write

    async def _send(self, write: Write, key: str | None) -> D:
        body = await self._sent(write, key)
        state = write.state
        is_here = state is not None and state in self._documents
        # What only the stream has told may be gone again.
        known = body or (state and state.known) or write.body or {}
        document: D = self._form.present(_shown(state) if is_here and state else known)
        return document

    async def _sent(self, write: Write, key: str | None) -> Document | None:
        if not write.is_pending:
            return None
        if self.live == "off":
            self._writes.failed(write, None)
            self._follower.follow()
            raise ClientClosed(NOT_OPEN)
        self._follower.follow()
        try:
            return await self._sender.send(write, None if key is None else self._form.keys.segment(key))
        finally:
            self._follower.follow()

    def _state(self, key: Any) -> DocumentState | None:
        state = self._documents.get(self._form.key(key))
        return state if state is not None and state.published is not None else None

    def _told(self, changes: list[DocumentChange]) -> None:
        if changes:
            for reader in self._readers:
                reader._put(changes)


def _shown(state: DocumentState) -> Document:
    return state.published if state.published is not None else state.shown


def _token() -> str:
    """An origin, by which a write is known again: 128 bits."""
    return secrets.token_hex(16)
