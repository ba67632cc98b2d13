"""Stores with one mistake each, as one may make it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any

from livecollections.change import Key, Row
from livecollections.errors import StoreUnavailable
from livecollections.query import Query
from livecollections.source import Source
from livecollections.stores.base import Batch, Snapshot, Write, Written
from livecollections.stores.sqlite import SQLiteStore


class ForgetsDeletes(SQLiteStore):
    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        batch = await super().read(after, limit, source)
        return replace(batch, changes=[each for each in batch.changes if each.method != "DELETE"])


class TellsTwice(SQLiteStore):
    """The entry at the position itself is told again."""

    _last: Any = None

    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        batch = await super().read(after, limit, source)
        if self._last is not None and self._last.seq == after:
            batch = replace(batch, changes=[self._last, *batch.changes])
        self._last = batch.changes[-1] if batch.changes else self._last
        return batch


class TellsInAnyOrder(SQLiteStore):
    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        batch = await super().read(after, limit, source)
        return replace(batch, changes=batch.changes[::-1])


class KnowsNotWhatWas(SQLiteStore):
    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        batch = await super().read(after, limit, source)
        return replace(batch, changes=[replace(each, before=None) for each in batch.changes])


class HidesThatItForgot(SQLiteStore):
    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        return replace(await super().read(after, limit, source), lost=None)


class ReadsRowsBeforeTheirSeq(SQLiteStore):
    async def find(self, source: Source, query: Query) -> Snapshot:
        found = await super().find(source, query)
        await asyncio.sleep(0.01)
        return replace(found, seq=await self.head())


class AnswersWhatWasAsked(SQLiteStore):
    """Rather than what the database made of it."""

    async def write(self, write: Write) -> Written:
        asked: dict[str, Any] = {}

        def change(row: Any) -> Any:
            found = write.change(row)
            asked.update(found or {})
            return found

        written = await super().write(replace(write, change=change))
        return replace(written, row={**written.row, **asked, "order": asked.get("order")})


class LosesTheOrigin(SQLiteStore):
    async def write(self, write: Write) -> Written:
        return await super().write(replace(write, origin=None))


class RepeatsWhatIsRepeated(SQLiteStore):
    async def write(self, write: Write) -> Written:
        return await super().write(replace(write, idempotency=None))


class RefusesAllForOne(SQLiteStore):
    """Writes that come together are told of the first refusal among them."""

    _refusal: Exception | None = None

    async def write(self, write: Write) -> Written:
        try:
            written = await super().write(write)
        except Exception as error:
            self._refusal = error
            raise
        await asyncio.sleep(0.05)
        if self._refusal is not None:
            raise self._refusal
        return written


class ShowsWhatIsExcluded(SQLiteStore):
    def describe(self, model: type, exclude: Collection[str] = ()) -> Source:
        return super().describe(model)


class WakesForNothing(SQLiteStore):
    async def wait_changed(self, after: str) -> None:
        await asyncio.sleep(0)


class LendsToAll(SQLiteStore):
    async def hold_cursor(self, name: str, owner: str, until: float, now: float) -> bool:
        await super().hold_cursor(name, owner, until, until + 1)
        return True


class BeginsAnew(SQLiteStore):
    """Each start is the first."""

    async def start(self, sources: Any) -> None:
        await super().start(sources)
        anew = f"UPDATE live_meta SET value = '{token_hex(4)}' WHERE name = 'epoch'"
        await self._write(lambda connection: connection.execute(anew))


class ForgetsThePlace(SQLiteStore):
    async def get(self, source: Source, key: Key) -> Snapshot:
        found = await super().get(source, key)
        return replace(found, seq=found.seq[:8] + "0" * 20)


class ResetsAtEachStart(SQLiteStore):
    async def start(self, sources: Sequence[Source]) -> None:
        await super().start(sources)
        await self.reset("store_todo")


class ChecksNothing(SQLiteStore):
    def __init__(self, database: Any, **options: Any) -> None:
        super().__init__(database, **{**options, "capture": "install"})


class TakesTheirErrorsForItsOwn(SQLiteStore):
    async def write(self, write: Write) -> Written:
        try:
            return await super().write(write)
        except OSError as error:
            raise StoreUnavailable("the database is not available") from error


class ShowsWhatIsThereNow(SQLiteStore):
    """Rather than what was answered."""

    async def made(self, source: Source, keys: Sequence[str]) -> dict[str, Row]:
        made = await super().made(source, keys)
        return {
            key: now for key, row in made.items() for now in (await self.get(source, source.key_of(row))).rows
        }


CAUGHT: dict[type[SQLiteStore], tuple[str, dict[str, Any]]] = {
    ForgetsDeletes: ("test_an_entry_tells_the_change", {}),
    TellsTwice: ("test_the_log_replayed_is_the_database_whatever_was_written", {"seed": 1}),
    TellsInAnyOrder: ("test_the_log_is_read_by_source_and_in_pieces", {}),
    KnowsNotWhatWas: ("test_the_log_replayed_is_the_database_whatever_was_written", {"seed": 1}),
    HidesThatItForgot: ("test_the_log_is_trimmed_by_count_and_never_begins_anew_15", {}),
    ReadsRowsBeforeTheirSeq: ("test_every_list_is_as_new_as_its_seq_says", {}),
    AnswersWhatWasAsked: ("test_an_origin_goes_to_the_addressed_document_alone", {}),
    LosesTheOrigin: ("test_an_entry_tells_the_change", {}),
    RepeatsWhatIsRepeated: ("test_a_repeated_create_answers_as_the_first", {}),
    RefusesAllForOne: ("test_one_refused_write_undoes_itself_alone", {}),
    ShowsWhatIsExcluded: ("test_excluded_columns_are_written_but_neither_shown_nor_logged", {}),
    WakesForNothing: ("test_waiting_ends_only_for_a_change_and_may_be_cancelled", {}),
    LendsToAll: ("test_a_cursor_has_one_owner_at_a_time", {}),
    BeginsAnew: ("test_a_store_starts_again_on_another_loop", {}),
    ResetsAtEachStart: ("test_installing_again_changes_nothing", {}),
    ChecksNothing: ("test_what_is_checked_is_what_was_installed", {}),
    TakesTheirErrorsForItsOwn: (
        "test_what_a_function_of_the_users_raises_is_no_error_of_the_database",
        {"error": OSError("mine"), "blocks": False},
    ),
    ShowsWhatIsThereNow: ("test_what_writes_of_one_have_made_is_told_by_their_keys", {}),
    ForgetsThePlace: ("test_a_created_row_is_read_back", {}),
}
"""Which test of the suite notices which mistake."""
