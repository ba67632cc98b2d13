"""What must be true once the last server lives and all is quiet; each violation is one sentence.

The database is the witness: its log must tell its table, hold all that was acknowledged and nothing that was not
committed, and each receiver must have heard it from the first entry to the last.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from livecollections.change import Change, epoch
from livecollections.stores.sql_log import EMPTY
from livecollections.stores.sqlite import SQLiteStore

from .author import Request
from .receivers import Receiver
from .site import TABLE, Note

SHOWN = 5
"""Violations of one kind that are shown."""


@dataclass
class Evidence:
    """What is in the database: the log's entries, and the table's rows by key."""

    entries: list[Change]
    rows: Mapping[Any, str]


async def read_evidence(database: Path) -> Evidence:
    """Read all, through a store of our own."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = dict(connection.execute(f"SELECT id, text FROM {TABLE}").fetchall())
    store = SQLiteStore(f"sqlite:///{database}")
    await store.start([store.describe(Note)])
    try:
        batch = await store.read(epoch(await store.head()) + EMPTY, 1_000_000)
    finally:
        await store.stop()
    return Evidence(batch.changes, rows)


def judge(
    found: Evidence,
    requests: Sequence[Request],
    journal: Sequence[Mapping[str, Any]],
    receivers: Sequence[Receiver],
) -> list[str]:
    """All violations."""
    kinds = [
        _of_the_log(found),
        _of_requests(found, requests),
        _of_transactions(found, journal),
        *(_of_a_receiver(found, receiver) for receiver in receivers),
    ]
    return [fault for kind in kinds for fault in islice(kind, SHOWN)]


def _of_the_log(found: Evidence) -> Iterator[str]:
    state: dict[Any, Any] = {}
    for entry in found.entries:
        if entry.method == "RESET":
            yield f"the log holds a reset ({entry.cause})"
            continue
        (key,) = entry.key
        if (key in state) != (entry.before is not None):
            yield f"entry {entry.seq} of {key} does not follow the one before"
        if entry.after is None:
            state.pop(key, None)
        else:
            state[key] = entry.after["text"]
    if state != found.rows:
        keys = [key for key in {*state, *found.rows} if state.get(key) != found.rows.get(key)]
        yield f"the log does not tell the table: {len(keys)} rows differ, such as {sorted(keys)[:3]}"


def _of_requests(found: Evidence, requests: Sequence[Request]) -> Iterator[str]:
    by_origin = Counter(entry.origin for entry in found.entries)
    by_seq = {entry.seq: entry for entry in found.entries}
    for request in requests:
        count = by_origin[request.origin]
        if request.is_done:
            entry = by_seq.get(request.seq or "")
            if count != 1 or entry is None or entry.origin != request.origin:
                yield f"{request.method} {request.origin} was acknowledged, and is in the log {count} times"
            elif request.method != "DELETE" and entry.after != request.body:
                yield f"{request.method} {request.origin} was acknowledged with another document"
        elif count > (request.status is None and request.was_sent):
            yield f"{request.method} {request.origin} was answered {request.status}, and is in the log {count} times"


def _of_transactions(found: Evidence, journal: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    places = defaultdict(list)
    for place, entry in enumerate(found.entries):
        row = entry.after or entry.before or {}
        if row["text"].startswith("shell-"):
            places[_transaction(entry)].append(place)
    committed = {line["committed"] for line in journal if "committed" in line}
    for line in journal:
        name = line.get("begin")
        if name is None:
            continue
        there, wanted = places[name], line["rows"]
        if line["fate"] != "commit" and there:
            yield f"{name} was never committed, and {len(there)} of its entries are in the log"
        elif name in committed and len(there) < wanted:
            yield f"{name} was committed, and {len(there)} of its {wanted} entries are in the log"
        elif there and (len(there) != wanted or there[-1] - there[0] != wanted - 1):
            yield f"{name} is there in part: {len(there)} of {wanted} entries"


def _transaction(entry: Change) -> str:
    """Who wrote an entry; what a shell deletes, it deletes of its own."""
    row = entry.after or entry.before or {}
    return str(entry.origin or row["text"]).split(" ", 1)[0]


def _of_a_receiver(found: Evidence, receiver: Receiver) -> Iterator[str]:
    if receiver.resets:
        yield f"{receiver.name} was told {len(receiver.resets)} resets"
    wanted = [entry.seq for entry in found.entries]
    heard = [data["seq"] for data in receiver.seen]
    if missed := {*wanted} - {*heard}:
        yield f"{receiver.name} missed {len(missed)} changes, the first {min(missed)}"
    if doubled := [seq for seq, count in Counter(heard).items() if count > 1]:
        yield f"{receiver.name} heard {len(doubled)} changes twice, such as {doubled[0]}"
    if strange := {*heard} - {*wanted}:
        yield f"{receiver.name} heard {len(strange)} changes that are not in the log"
    if heard != sorted(heard):
        yield f"{receiver.name} heard changes out of order"
    entries = {entry.seq: entry for entry in found.entries}
    for data in receiver.seen:
        entry = entries.get(data["seq"])
        if entry is not None and data["method"] != "RESET" and not _is_told(entry, data):
            yield f"{receiver.name} heard something else of {entry.seq}: {json.dumps(data)[:200]}"


def _is_told(entry: Change, data: Mapping[str, Any]) -> bool:
    row = entry.before if entry.after is None else entry.after
    return (data["method"], data["body"], data.get("origin")) == (entry.method, row, entry.origin)
