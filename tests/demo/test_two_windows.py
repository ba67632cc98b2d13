"""Two windows on one list: whatever happens to it, wherever, both come to the same truth without a flicker.

The windows share nothing but the server: each has its own context, its own connections and its own observer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from livecollections.testing import SiteProxy
from livecollections.testing import wait_until_sync as wait_until
from tests.scale import scaled

from .conftest import Open
from .serving import DemoServer
from .window import OUTPUT, Window

TO_TRUTH = 3.0
"""Seconds from the server's first accept until a window shows what it missed."""

Pair = tuple[Window, Window]


@pytest.fixture
def pair(open_window: Open) -> Iterator[Pair]:
    one, other = open_window(), open_window()
    yield one, other
    for window in (one, other):
        window.expect_calm()


@pytest.fixture
def line(server: DemoServer) -> Iterator[SiteProxy]:
    with SiteProxy(server.address) as line:
        yield line


def expect_both(pair: Pair, *rows: str, within: float = 5.0) -> None:
    for window in pair:
        window.expect_rows(*rows, within=within)


def truth(server: DemoServer) -> list[str]:
    """What GET says, as `expect_rows` takes it."""
    return [("[x] " if row["completed"] else "") + row["title"] for row in server.todos()]


def expect_truth(pair: Pair, server: DemoServer, within: float = 5.0) -> None:
    expect_both(pair, *truth(server), within=within)


# Each action in one window, followed by the other


def test_add(pair: Pair, server: DemoServer) -> None:
    pair[0].add("buy milk", "call home")
    expect_both(pair, "buy milk", "call home")
    pair[1].add("write")
    expect_both(pair, "buy milk", "call home", "write")
    for window in pair:
        window.expect_count("3 items left")
        assert window.seen()["most"] == 3, "no row was there twice, not even for a moment"


def test_edit(pair: Pair, server: DemoServer) -> None:
    pair[0].add("buy milk", "call home")
    expect_both(pair, "buy milk", "call home")
    pair[1].rename("buy milk", "buy oat milk")
    expect_both(pair, "buy oat milk", "call home")
    pair[0].rename("call home", "call mother")
    expect_both(pair, "buy oat milk", "call mother")


def test_toggle(pair: Pair, server: DemoServer) -> None:
    pair[0].add("buy milk", "call home")
    expect_both(pair, "buy milk", "call home")
    pair[1].toggle("buy milk")
    expect_both(pair, "[x] buy milk", "call home")
    pair[0].toggle("buy milk")
    expect_both(pair, "buy milk", "call home")


def test_toggle_all(pair: Pair, server: DemoServer) -> None:
    pair[0].add("buy milk", "call home", "write")
    expect_both(pair, "buy milk", "call home", "write")
    pair[1].page.locator(".toggle-all + label").click()
    expect_both(pair, "[x] buy milk", "[x] call home", "[x] write")
    for window in pair:
        window.expect_count("0 items left")
        expect(window.page.locator(".toggle-all")).to_be_checked()
    pair[0].page.locator(".toggle-all + label").click()
    expect_both(pair, "buy milk", "call home", "write")


def test_clear_completed(pair: Pair, server: DemoServer) -> None:
    pair[0].add("buy milk", "call home", "write")
    pair[0].toggle("buy milk")
    pair[0].toggle("write")
    expect_both(pair, "[x] buy milk", "call home", "[x] write")
    pair[1].page.locator(".clear-completed").click()
    expect_both(pair, "call home")
    for window in pair:
        expect(window.page.locator(".clear-completed")).to_be_hidden()


def test_delete(pair: Pair, server: DemoServer) -> None:
    pair[0].add("buy milk", "call home")
    expect_both(pair, "buy milk", "call home")
    pair[1].delete("buy milk")
    expect_both(pair, "call home")
    pair[0].delete("call home")
    expect_both(pair)
    for window in pair:
        expect(window.page.locator(".footer")).to_be_hidden()


def test_filters_follow(pair: Pair, server: DemoServer) -> None:
    pair[0].add("buy milk", "call home", "write")
    expect_both(pair, "buy milk", "call home", "write")
    pair[0].page.get_by_text("Active", exact=True).click()
    pair[1].page.get_by_text("Completed", exact=True).click()
    pair[0].toggle("call home")
    pair[0].expect_rows("buy milk", "write")
    pair[1].expect_rows("[x] call home")
    pair[0].picture("active")
    pair[1].picture("completed")
    server.shell("update todo set completed = not completed")
    pair[0].expect_rows("call home")
    pair[1].expect_rows("[x] buy milk", "[x] write")
    pair[1].toggle("write")
    pair[0].expect_rows("call home", "write")
    pair[1].expect_rows("[x] buy milk")
    for window in pair:
        window.expect_count("2 items left")


def test_adding_in_both_at_once_doubles_nothing(pair: Pair, server: DemoServer) -> None:
    count = scaled(8, 60)
    for number in range(count):
        pair[0].add(f"left {number}")
        pair[1].add(f"right {number}")
    wait_until(lambda: len(server.todos()) == 2 * count)
    wanted = sorted(truth(server))
    for window in pair:
        wait_until(lambda window=window: sorted(title for title, _ in window.shown()) == wanted)  # type: ignore[misc]
        assert window.seen()["most"] == 2 * count
        texts = [text for texts in window.seen()["texts"].values() for text in texts]
        assert len(texts) == len(set(texts)), "no title was in two rows"


# The database, from a shell


def test_a_row_changed_in_the_shell(pair: Pair, server: DemoServer) -> None:
    pair[0].add("buy milk", "call home")
    expect_both(pair, "buy milk", "call home")
    server.shell("update todo set title = 'buy oat milk' where title = 'buy milk'")
    expect_both(pair, "buy oat milk", "call home")
    server.shell("insert into todo (title, completed, \"order\") values ('write', 1, 3)")
    expect_both(pair, "buy oat milk", "call home", "[x] write")


def test_rows_changed_in_bulk(pair: Pair, server: DemoServer) -> None:
    values = ",".join(f"('todo {number:03}', 0, {number})" for number in range(200))
    server.shell(f'insert into todo (title, completed, "order") values {values}')
    expect_truth(pair, server)
    server.shell('update todo set completed = 1 where "order" % 2; delete from todo where "order" >= 100')
    expect_truth(pair, server)
    for window in pair:
        window.expect_count("50 items left")
        assert window.seen()["most"] <= 200


# The line, the page and the server fail


def test_reload(pair: Pair, server: DemoServer) -> None:
    pair[0].add("buy milk", "call home")
    pair[0].toggle("call home")
    expect_both(pair, "buy milk", "[x] call home")
    pair[1].page.reload()
    expect_both(pair, "buy milk", "[x] call home")
    pair[0].rename("buy milk", "buy oat milk")
    expect_both(pair, "buy oat milk", "[x] call home")


def test_a_list_that_a_browser_has_is_not_sent_again_and_says_up_to_which_seq_it_holds(
    open_window: Open, server: DemoServer
) -> None:
    """The browser asks by itself whether its copy is still good; a reset would loop if it kept the copy's old seq."""
    window = open_window()
    window.add("buy milk")
    window.expect_rows("buy milk")
    wait_until(lambda: truth(server) == ["buy milk"])
    read = "() => fetch('/api/todos').then(a => a.text().then(t => [t, a.status, a.headers.get('Live-Seq')]))"
    first = window.page.evaluate(read)
    server.shell(
        "INSERT INTO live_changes (check_digits, source, method, key, at) VALUES ('0000', 'another', 'RESET', '', 0)"
    )
    again = window.page.evaluate(read)
    assert again[:2] == first[:2]
    assert again[2] > first[2]
    sizes = "() => performance.getEntriesByType('resource').filter(e => e.name.endsWith('/api/todos')).pop().toJSON()"
    entry = window.page.evaluate(sizes)
    # By the standard what was confirmed has the size of its headers alone, which is taken to be 300.
    assert (entry["transferSize"], entry["encodedBodySize"]) == (300, len(first[0])), entry


def test_offline_and_online(open_window: Open, server: DemoServer, line: SiteProxy) -> None:
    away, stays = open_window(address=line.url), open_window()
    stays.add("buy milk", "call home", "write")
    expect_both((away, stays), "buy milk", "call home", "write")
    away.context.set_offline(True)
    line.offline()
    away.expect_light("reconnecting")
    away.picture("reconnecting")
    stays.rename("buy milk", "buy oat milk")
    stays.delete("call home")
    stays.add("sleep")
    stays.expect_rows("buy oat milk", "write", "sleep")
    assert [title for title, _ in away.shown()] == ["buy milk", "call home", "write"]
    away.context.set_offline(False)
    line.heal()
    wait_until(lambda: truth(server) == ["buy oat milk", "write", "sleep"])
    expect_truth((away, stays), server, within=TO_TRUTH)
    away.expect_light("live")
    away.toggle("sleep")
    expect_both((away, stays), "buy oat milk", "write", "[x] sleep")
    for window in (away, stays):
        window.expect_calm()


def test_a_tab_that_was_asleep(open_window: Open, server: DemoServer, line: SiteProxy) -> None:
    sleeper, awake = open_window(address=line.url), open_window()
    awake.add("buy milk", "call home")
    expect_both((sleeper, awake), "buy milk", "call home")
    sleeper.fall_asleep()
    line.offline()
    awake.delete("buy milk")
    awake.add("write", "sleep")
    awake.toggle("sleep")
    wait_until(lambda: truth(server) == ["call home", "write", "[x] sleep"])
    line.heal()
    sleeper.wake()
    expect_truth((sleeper, awake), server, within=TO_TRUTH)
    for window in (sleeper, awake):
        window.expect_calm()


@pytest.mark.parametrize("path", ["/", "/#/active"])
def test_server_killed_and_started_again(pair: Pair, server: DemoServer, path: str) -> None:
    pair[1].page.goto(server.address + path)
    pair[0].add("buy milk", "call home", "write")
    expect_both(pair, "buy milk", "call home", "write")
    for number in range(scaled(1, 10)):
        server.kill()
        for window in pair:
            window.expect_light("reconnecting")
        server.shell(
            f"update todo set title = 'write {number}' where title like 'write%';"
            "delete from todo where title in ('call home', 'sleep');"
            "insert into todo (title, completed, \"order\") values ('sleep', 0, 9)"
        )
        accepted = server.start()
        expect_both(pair, "buy milk", f"write {number}", "sleep", within=TO_TRUTH)
        seconds = time.monotonic() - accepted
        note(f"killed and started again, {path}", seconds)
        assert seconds < TO_TRUTH
        for window in pair:
            window.expect_light("live")
    pair[0].add("and on")
    expect_both(pair, "buy milk", f"write {number}", "sleep", "and on")


def note(what: str, seconds: float) -> None:
    """Keep a figure below tests/output."""
    OUTPUT.mkdir(exist_ok=True)
    with (OUTPUT / "figures.jsonl").open("a") as figures:
        figures.write(json.dumps({"what": what, "seconds": round(seconds, 3)}) + "\n")
