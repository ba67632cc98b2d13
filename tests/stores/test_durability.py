"""How far what is acknowledged has come: SQLite waits for the disk at each commit, unless it is asked not to.

That a process is killed proves nothing here, since the system keeps what it has written: only a power cut would tell.
So each connection that writes is asked what it was told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from livecollections import Live

from .things import Thing

NORMAL, FULL = 1, 2


@pytest.mark.parametrize(
    ("options", "level"), [({}, FULL), ({"synchronous": "NORMAL"}, NORMAL)], ids=["as shipped", "as asked"]
)
async def test_each_connection_that_writes_waits_for_the_disk(
    options: dict[str, Any], level: int, tmp_path: Path
) -> None:
    live: Live[Any] = Live(f"sqlite:///{tmp_path}/things.db", **options)
    live.add_resource("/things", Thing)
    async with live:
        connections = live._store._connections  # type: ignore[attr-defined]
        found = [connections[name].execute("PRAGMA synchronous").fetchone()[0] for name in ("write", "poll")]
        async with live.session() as session:
            found.append((await session.exec(sa.text("PRAGMA synchronous"))).scalar())
    assert found == [level] * 3
