"""SQLite files of earlier versions open with this one, with all that they hold; newer ones are refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from livecollections import CaptureMissing, ConfigurationError, Live
from livecollections.stores import sqlite_triggers
from livecollections.stores.base import Log
from livecollections.stores.sqlite import install_sql, new_epoch, uninstall
from livecollections.stores.sqlite_capture import Capture, is_whole
from livecollections.version import __version__
from tests.serving import wait_until

from .opening import DUMPS, FOR_EVER, Told, is_reset_once, kept, read, resumed
from .opening import is_whole as is_heard_whole
from .shop import Shop

BEFORE = [version for version in kept("sqlite") if ".dev" in version]
"""States before the first version: their triggers were replaced, since nothing tells what the table was then."""
NUMBERED = [version for version in kept("sqlite") if version not in BEFORE]
NEWER = '{"format": 2, "since": "7.1.0"}'


def restored(version: str, folder: Path) -> tuple[Path, Told]:
    """A file as that version left it."""
    text, told = read(version, "sqlite")
    path = folder / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(text)
    return path, told


def look(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def seqs(path: Path) -> list[tuple[object, ...]]:
    return look(path, "SELECT seq, check_digits FROM live_changes ORDER BY seq")


def resets(path: Path) -> list[tuple[object, ...]]:
    return look(path, "SELECT source, key FROM live_changes WHERE method = 'RESET'")


def shop_of(path: Path) -> Shop:
    return Shop(f"sqlite:///{path}", log=FOR_EVER)


def test_this_version_has_its_dumps() -> None:
    folder = DUMPS / __version__
    missing = [
        kind
        for kind in ("sqlite.sql", "postgres.sql", "mongo.json", "api.txt")
        if not (folder / kind).exists()
    ]
    assert not missing, f"no {', '.join(missing)} in {folder}: run `make release-dump`"


@pytest.mark.parametrize("version", NUMBERED)
async def test_a_client_resumes_without_a_reset(version: str, tmp_path: Path) -> None:
    path, told = restored(version, tmp_path)
    assert is_heard_whole(await resumed(shop_of(path), told), told)
    assert resets(path) == []


@pytest.mark.parametrize("version", BEFORE)
async def test_a_state_before_the_first_version_resets_once_and_loses_nothing(
    version: str, tmp_path: Path
) -> None:
    path, told = restored(version, tmp_path)
    before = seqs(path)
    assert is_reset_once(await resumed(shop_of(path), told))
    assert seqs(path)[: len(before)] == before
    assert resets(path) == [("product", "capture-reinstalled")]
    with closing(sqlite3.connect(path)) as connection:
        assert is_whole(connection, Log())
    async with shop_of(path).live:
        pass
    assert len(resets(path)) == 1, "the second start finds nothing to do"


@pytest.mark.parametrize("version", kept("sqlite"))
async def test_a_durable_listener_goes_on_where_it_stood(version: str, tmp_path: Path) -> None:
    path, told = restored(version, tmp_path)
    [(cursor,)] = look(path, "SELECT seq FROM live_cursors")
    shop = shop_of(path)
    await resumed(shop, told)
    after = [each["seq"] for each in told if each["seq"] > str(cursor)]
    heard = [change.seq for change in shop.heard if change.method != "RESET"]
    assert heard[: len(after)] == after
    assert [change.after["name"] for change in shop.heard if change.method == "POST"][-2:] == [
        "by hand",
        "new",
    ]


@pytest.mark.parametrize("version", BEFORE)
async def test_who_only_checks_is_told_what_to_do(version: str, tmp_path: Path) -> None:
    path, _ = restored(version, tmp_path)
    before = look(path, "SELECT sql FROM sqlite_master")
    shop = Shop(f"sqlite:///{path}", log=FOR_EVER, capture="check")
    with pytest.raises(
        CaptureMissing, match=r"live_meta: it is of an earlier format.*livecollections install"
    ):
        await shop.live.__aenter__()
    assert look(path, "SELECT sql FROM sqlite_master") == before
    script = install_sql(f"sqlite:///{path}", ["product"])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    async with shop.live:
        pass


def of_version(path: Path, version: str) -> None:
    """Capture as a version leaves it whose triggers have another text."""
    with pytest.MonkeyPatch.context() as patch, closing(sqlite3.connect(path)) as connection, connection:
        patch.setattr(sqlite_triggers, "NOTES", 32)
        Capture(Log(), {"product": None}, version=version).install(connection, 0.0)


@pytest.fixture
async def other(tmp_path: Path) -> Path:
    """A file with the triggers of another version."""
    path = tmp_path / "shop.db"
    shop = shop_of(path)
    async with shop.live:
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM live_meta WHERE name LIKE 'source:%'")
    of_version(path, "0.0.9")
    assert look(path, "SELECT count(*) FROM sqlite_master WHERE sql LIKE '%- 32;%'") == [(2,)]
    return path


async def test_another_versions_triggers_are_replaced_without_a_reset(other: Path) -> None:
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("INSERT INTO product (name, price, stock) VALUES ('a', 1, 1)")
    async with shop_of(other).live:
        pass
    assert look(other, "SELECT count(*) FROM sqlite_master WHERE sql LIKE '%- 32;%'") == [(0,)]
    assert look(other, "SELECT method FROM live_changes") == [("POST",)]


@pytest.mark.parametrize(
    "change",
    [
        "CREATE UNIQUE INDEX one_name ON product (name)",
        "DROP TRIGGER live_product_delete",
        "CREATE TRIGGER mine AFTER INSERT ON product BEGIN SELECT 1; END",
    ],
    ids=["a key by which rows are replaced", "a trigger gone", "one that runs before"],
)
async def test_what_another_version_may_have_missed_is_a_reset(other: Path, change: str) -> None:
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.executescript(change)
    async with shop_of(other).live:
        pass
    assert resets(other) == [("product", "capture-reinstalled")]


async def test_a_table_of_the_log_that_is_gone_is_made_again_without_a_reset(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    async with shop_of(path).live:
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE live_letters")
    async with shop_of(path).live:
        pass
    assert look(path, "SELECT count(*) FROM live_letters") == [(0,)]
    assert resets(path) == []


@pytest.fixture
async def newer(tmp_path: Path) -> Path:
    """A file whose log has a format that this version does not know."""
    path = tmp_path / "shop.db"
    async with shop_of(path).live:
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE live_meta SET value = ? WHERE name = 'format'", (NEWER,))
    return path


async def test_a_log_of_a_newer_version_is_refused_and_left_as_it_is(newer: Path) -> None:
    before = look(newer, "SELECT name, value FROM live_meta")
    for capture in ("install", "check"):
        live = Live(f"sqlite:///{newer}", capture=capture)
        live.add_resource("/api/products", Shop("sqlite://").model)
        with pytest.raises(
            ConfigurationError, match=r"format 2, which livecollections 7\.1\.0 and newer know"
        ):
            await live.__aenter__()
    assert look(newer, "SELECT name, value FROM live_meta") == before


@pytest.mark.parametrize("act", [uninstall, new_epoch, install_sql])
def test_no_command_touches_a_log_of_a_newer_version(newer: Path, act: Callable[[str], object]) -> None:
    before = look(newer, "SELECT name, value FROM live_meta")
    with pytest.raises(ConfigurationError, match=r"Install 7\.1\.0 or newer"):
        act(f"sqlite:///{newer}")
    assert look(newer, "SELECT name, value FROM live_meta") == before


async def test_a_running_server_does_not_meddle_with_a_log_that_a_newer_version_has_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "shop.db"
    async with shop_of(path).live:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE live_meta SET value = ? WHERE name = 'format'", (NEWER,))
            connection.execute("DROP TRIGGER live_product_insert")
        await wait_until(lambda: "capture can't be put right" in caplog.text, within=5)
    assert look(path, "SELECT name FROM sqlite_master WHERE name = 'live_product_insert'") == []
    assert resets(path) == []
