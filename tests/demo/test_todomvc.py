"""The demo's specification, docs/todomvc.md: one test a line, named by the line's number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Locator, Route, expect

from livecollections.testing import wait_until_sync as wait_until

from .conftest import Open
from .serving import DemoServer
from .window import Window

SPECIFICATION = Path(__file__).parents[2] / "docs" / "todomvc.md"
EDITING = re.compile(r"\bediting\b")
COMPLETED = re.compile(r"\bcompleted\b")
SELECTED = re.compile(r"\bselected\b")


def toggle_all(window: Window) -> Locator:
    """The mark before the field: its label is what a user can click."""
    return window.page.locator(".toggle-all + label")


def marked(window: Window) -> Locator:
    return window.page.locator(".toggle-all")


def titles(server: DemoServer) -> list[str]:
    return [row["title"] for row in server.todos()]


def states(server: DemoServer) -> list[bool]:
    return [row["completed"] for row in server.todos()]


def test_each_line_has_its_test() -> None:
    lines = [int(number) for number in re.findall(r"^(\d+)\. ", SPECIFICATION.read_text("utf-8"), re.M)]
    tests = [int(name[5:7]) for name in globals() if re.match(r"test_\d\d_", name)]
    assert lines == list(range(1, len(lines) + 1))
    assert sorted(tests) == lines


# The page


def test_01_the_field_has_the_focus(window: Window) -> None:
    expect(window.new).to_be_focused()


def test_02_without_todos_list_and_footer_are_hidden(window: Window) -> None:
    expect(window.page.locator(".main")).to_be_hidden()
    expect(window.page.locator(".footer")).to_be_hidden()


def test_03_the_first_todo_brings_them_out(window: Window) -> None:
    window.add("buy milk")
    expect(window.page.locator(".main")).to_be_visible()
    expect(window.page.locator(".footer")).to_be_visible()


# New todos


def test_04_enter_adds_at_the_end_and_empties_the_field(window: Window, server: DemoServer) -> None:
    window.add("buy milk", "call home")
    window.expect_rows("buy milk", "call home")
    expect(window.new).to_have_value("")
    wait_until(lambda: titles(server) == ["buy milk", "call home"])


def test_05_the_title_is_trimmed(window: Window, server: DemoServer) -> None:
    window.add("   buy milk \t ")
    window.expect_rows("buy milk")
    wait_until(lambda: titles(server) == ["buy milk"])


def test_06_a_blank_title_adds_nothing(window: Window, server: DemoServer) -> None:
    window.add("", "   ", "buy milk")
    window.expect_rows("buy milk")
    wait_until(lambda: titles(server) == ["buy milk"])


def test_07_a_title_is_text_and_never_markup(window: Window) -> None:
    window.add("<b>bold</b> & <img src=x>")
    window.expect_rows("<b>bold</b> & <img src=x>")
    expect(window.rows.locator("b, img")).to_have_count(0)


# Mark all as complete


def test_08_the_mark_ticks_all_and_unticks_all(window: Window, server: DemoServer) -> None:
    server.add("buy milk")
    server.add("call home", completed=True)
    window.expect_rows("buy milk", "[x] call home")
    toggle_all(window).click()
    window.expect_rows("[x] buy milk", "[x] call home")
    toggle_all(window).click()
    window.expect_rows("buy milk", "call home")
    wait_until(lambda: states(server) == [False, False])


def test_09_the_mark_says_whether_all_are_completed(window: Window, server: DemoServer) -> None:
    window.add("buy milk", "call home")
    expect(marked(window)).not_to_be_checked()
    window.toggle("buy milk")
    window.expect_rows("[x] buy milk", "call home")
    expect(marked(window)).not_to_be_checked()
    window.toggle("call home")
    expect(marked(window)).to_be_checked()
    window.toggle("buy milk")
    expect(marked(window)).not_to_be_checked()
    wait_until(lambda: states(server) == [False, True])
    server.shell("update todo set completed = 1")
    expect(marked(window)).to_be_checked()


def test_10_the_mark_goes_with_the_last_completed(window: Window) -> None:
    window.add("buy milk")
    window.toggle("buy milk")
    expect(marked(window)).to_be_checked()
    window.page.locator(".clear-completed").click()
    window.expect_rows()
    expect(marked(window)).not_to_be_checked()
    window.add("call home")
    expect(marked(window)).not_to_be_checked()


# A todo


def test_11_the_checkbox_completes_and_makes_active(window: Window, server: DemoServer) -> None:
    window.add("buy milk")
    window.toggle("buy milk")
    expect(window.row("buy milk")).to_have_class(COMPLETED)
    expect(window.row("buy milk").locator(".toggle")).to_be_checked()
    wait_until(lambda: states(server) == [True])
    window.toggle("buy milk")
    expect(window.row("buy milk")).not_to_have_class(COMPLETED)
    wait_until(lambda: states(server) == [False])


def test_12_a_double_click_begins_editing(window: Window) -> None:
    window.add("buy milk")
    window.edit("buy milk")
    expect(window.rows.first).to_have_class(EDITING)


def test_13_the_pointer_brings_out_delete(window: Window, server: DemoServer) -> None:
    window.add("buy milk", "call home")
    expect(window.row("buy milk").locator(".destroy")).to_be_hidden()
    window.row("buy milk").hover()
    expect(window.row("buy milk").locator(".destroy")).to_be_visible()
    window.row("buy milk").locator(".destroy").click()
    window.expect_rows("call home")
    wait_until(lambda: titles(server) == ["call home"])


# Editing


def test_14_editing_shows_a_field_with_the_title(window: Window) -> None:
    window.add("buy milk")
    field = window.edit("buy milk")
    expect(window.rows.first.locator(".view")).to_be_hidden()
    expect(field).to_be_focused()
    expect(field).to_have_value("buy milk")


def test_15_enter_saves(window: Window, server: DemoServer) -> None:
    window.add("buy milk")
    window.rename("buy milk", "buy oat milk")
    expect(window.rows.first).not_to_have_class(EDITING)
    window.expect_rows("buy oat milk")
    wait_until(lambda: titles(server) == ["buy oat milk"])


def test_16_leaving_the_field_saves(window: Window, server: DemoServer) -> None:
    window.add("buy milk")
    window.edit("buy milk").fill("buy oat milk")
    window.new.focus()
    expect(window.rows.first).not_to_have_class(EDITING)
    window.expect_rows("buy oat milk")
    wait_until(lambda: titles(server) == ["buy oat milk"])


def test_17_an_edited_title_is_trimmed(window: Window, server: DemoServer) -> None:
    window.add("buy milk")
    window.rename("buy milk", "   buy oat milk  ")
    window.expect_rows("buy oat milk")
    wait_until(lambda: titles(server) == ["buy oat milk"])


def test_18_an_emptied_todo_is_deleted(window: Window, server: DemoServer) -> None:
    window.add("buy milk", "call home")
    window.rename("buy milk", "  ")
    window.expect_rows("call home")
    wait_until(lambda: titles(server) == ["call home"])


def test_19_escape_leaves_the_title_as_it_was(window: Window, server: DemoServer) -> None:
    window.add("buy milk")
    field = window.edit("buy milk")
    field.fill("buy oat milk")
    field.press("Escape")
    expect(window.rows.first).not_to_have_class(EDITING)
    window.expect_rows("buy milk")
    window.toggle("buy milk")
    wait_until(lambda: states(server) == [True])
    assert titles(server) == ["buy milk"]


# The counter


def test_20_the_counter_knows_one_from_many(window: Window) -> None:
    window.add("buy milk")
    window.expect_count("1 item left")
    expect(window.page.locator(".todo-count strong")).to_have_text("1")
    window.add("call home")
    window.expect_count("2 items left")
    toggle_all(window).click()
    window.expect_count("0 items left")


def test_21_the_counter_follows_each_change(window: Window, server: DemoServer) -> None:
    window.add("buy milk", "call home", "write")
    window.expect_count("3 items left")
    window.toggle("call home")
    window.expect_count("2 items left")
    window.delete("write")
    window.expect_count("1 item left")
    wait_until(lambda: states(server) == [False, True])
    server.shell("update todo set completed = 0")
    window.expect_count("2 items left")


# Clear completed


def test_22_clear_completed_deletes_only_those(window: Window, server: DemoServer) -> None:
    window.add("buy milk", "call home", "write")
    window.toggle("buy milk")
    window.toggle("write")
    window.expect_rows("[x] buy milk", "call home", "[x] write")
    window.page.locator(".clear-completed").click()
    window.expect_rows("call home")
    wait_until(lambda: titles(server) == ["call home"])


def test_23_clear_completed_is_hidden_while_none_is(window: Window) -> None:
    button = window.page.locator(".clear-completed")
    window.add("buy milk")
    expect(button).to_be_hidden()
    window.toggle("buy milk")
    expect(button).to_be_visible()
    window.toggle("buy milk")
    expect(button).to_be_hidden()


# Persistence


def test_24_a_reload_shows_what_was_there(window: Window, server: DemoServer) -> None:
    window.add("buy milk", "call home", "write")
    window.toggle("call home")
    wait_until(lambda: states(server) == [False, True, False])
    window.page.reload()
    window.expect_rows("buy milk", "[x] call home", "write")
    window.expect_count("2 items left")


def test_25_editing_does_not_outlast_a_reload(window: Window, server: DemoServer) -> None:
    window.add("buy milk")
    wait_until(lambda: titles(server) == ["buy milk"])
    window.edit("buy milk")
    window.page.reload()
    window.expect_rows("buy milk")
    expect(window.rows.first).not_to_have_class(EDITING)


# Routing


def test_26_the_address_filters(window: Window, server: DemoServer) -> None:
    server.add("buy milk")
    server.add("call home", completed=True)
    window.expect_rows("buy milk", "[x] call home")
    window.page.get_by_text("Active", exact=True).click()
    window.expect_rows("buy milk")
    assert window.page.url.endswith("#/active")
    window.page.get_by_text("Completed", exact=True).click()
    window.expect_rows("[x] call home")
    assert window.page.url.endswith("#/completed")
    window.page.get_by_text("All", exact=True).click()
    window.expect_rows("buy milk", "[x] call home")
    assert window.page.url.endswith("#/")


def test_27_the_filter_in_force_is_selected(window: Window) -> None:
    window.add("buy milk")
    selected = window.page.locator(".filters a.selected")
    expect(selected).to_have_text(["All"])
    for name in ("Active", "Completed", "All"):
        window.page.get_by_text(name, exact=True).click()
        expect(selected).to_have_text([name])


def test_28_a_changed_todo_leaves_and_enters_the_filtered_list(open_window: Open, server: DemoServer) -> None:
    server.add("buy milk")
    server.add("call home")
    window = open_window("/#/active")
    window.expect_rows("buy milk", "call home")
    window.toggle("buy milk")
    window.expect_rows("call home")
    window.page.get_by_text("Completed", exact=True).click()
    window.expect_rows("[x] buy milk")
    server.shell("update todo set completed = 1 where title = 'call home'")
    window.expect_rows("[x] buy milk", "[x] call home")
    window.toggle("buy milk")
    window.expect_rows("[x] call home")


def test_29_the_filter_outlasts_a_reload(open_window: Open, server: DemoServer) -> None:
    server.add("buy milk")
    server.add("call home", completed=True)
    window = open_window("/#/completed")
    window.expect_rows("[x] call home")
    window.page.reload()
    window.expect_rows("[x] call home")
    expect(window.page.locator(".filters a.selected")).to_have_text(["Completed"])


def test_30_back_goes_to_the_filter_before(window: Window, server: DemoServer) -> None:
    server.add("buy milk")
    server.add("call home", completed=True)
    window.page.get_by_text("Active", exact=True).click()
    window.page.get_by_text("Completed", exact=True).click()
    window.expect_rows("[x] call home")
    window.page.go_back()
    window.expect_rows("buy milk")
    window.page.go_back()
    window.expect_rows("buy milk", "[x] call home")


# What is new


def test_31_what_others_do_is_shown(window: Window, server: DemoServer) -> None:
    milk, call = server.add("buy milk"), server.add("call home")
    window.expect_rows("buy milk", "call home")
    window.expect_count("2 items left")
    server.change(call, title="call mother")
    window.expect_rows("buy milk", "call mother")
    window.page.get_by_text("Active", exact=True).click()
    server.change(milk, completed=True)
    window.expect_rows("call mother")
    window.expect_count("1 item left")
    expect(marked(window)).not_to_be_checked()
    server.change(call, completed=True)
    expect(marked(window)).to_be_checked()
    server.delete(call)
    server.delete(milk)
    expect(window.page.locator(".footer")).to_be_hidden()
    expect(window.rows).to_have_count(0)
    window.expect_calm()


def test_32_a_row_is_changed_in_place(window: Window, server: DemoServer) -> None:
    key = server.add("buy milk")
    server.add("call home")
    window.expect_rows("buy milk", "call home")
    window.page.evaluate(
        "document.querySelectorAll('.todo-list > li').forEach((li, i) => li.dataset.mine = i)"
    )
    before = window.seen()
    server.change(key, completed=True)
    window.expect_rows("[x] buy milk", "call home")
    server.change(key, title="buy oat milk", completed=False)
    window.expect_rows("buy oat milk", "call home")
    after = window.seen()
    assert after["rows"] == before["rows"]
    assert sum(map(len, after["texts"].values())) == sum(map(len, before["texts"].values())) + 1
    marks = window.page.evaluate(
        "[...document.querySelectorAll('.todo-list > li')].map(li => li.dataset.mine)"
    )
    assert marks == ["0", "1"]


def test_33_a_push_leaves_the_users_text_alone(window: Window, server: DemoServer) -> None:
    key = server.add("buy milk")
    window.expect_rows("buy milk")
    field = window.edit("buy milk")
    field.fill("buy oat mi")
    server.change(key, title="buy soy milk", completed=True)
    window.expect_rows("[x] buy soy milk")
    expect(field).to_have_value("buy oat mi")
    expect(field).to_be_focused()
    field.press("Escape")
    expect(window.row("buy soy milk").locator("label")).to_be_visible()
    assert titles(server) == ["buy soy milk"]


def test_34_an_untouched_title_is_not_saved(window: Window, server: DemoServer) -> None:
    key = server.add("buy milk")
    window.expect_rows("buy milk")
    field = window.edit("buy milk")
    server.change(key, title="buy soy milk")
    window.expect_rows("buy soy milk")
    writes: list[str] = []
    window.page.on("request", lambda request: writes.append(request.method))
    field.press("Enter")
    window.toggle("buy soy milk")
    wait_until(lambda: states(server) == [True])
    assert titles(server) == ["buy soy milk"]
    assert [method for method in writes if method != "GET"] == ["PATCH"]


def test_35_a_row_stays_in_view_while_it_is_edited(open_window: Open, server: DemoServer) -> None:
    key = server.add("buy milk")
    server.add("call home")
    window = open_window("/#/active")
    window.expect_rows("buy milk", "call home")
    field = window.edit("buy milk")
    server.change(key, completed=True)
    window.expect_rows("[x] buy milk", "call home")
    expect(field).to_be_visible()
    field.press("Escape")
    window.expect_rows("call home")


def test_36_an_edited_row_is_not_disturbed_by_its_neighbours(window: Window, server: DemoServer) -> None:
    for order, title in ((1, "one"), (2, "two"), (3, "three")):
        server.add(title, order=order)
    window.expect_rows("one", "two", "three")
    field = window.edit("two")
    field.fill("two and a half")
    server.add("zero", order=0)
    window.expect_rows("zero", "one", "two", "three")
    server.shell("update todo set \"order\" = 9 where title = 'one'")
    window.expect_rows("zero", "two", "three", "one")
    server.shell("update todo set \"order\" = 10 where title = 'two'")
    window.expect_rows("zero", "three", "one", "two")
    field = window.rows.nth(3).locator(".edit")
    expect(field).to_be_focused()
    expect(field).to_have_value("two and a half")
    field.press("Enter")
    window.expect_rows("zero", "three", "one", "two and a half")
    window.expect_calm(moves=True)


def test_37_the_order_is_order_then_id(window: Window, server: DemoServer) -> None:
    for title, order in (("c", 3), ("none", None), ("a", 1), ("b", 2), ("b too", 2)):
        server.add(title, order=order)
    window.expect_rows("a", "b", "b too", "c", "none")
    server.shell("update todo set \"order\" = 0 where title = 'c'")
    window.expect_rows("c", "a", "b", "b too", "none")
    rows = [what for _, what in window.seen()["rows"]]
    assert rows.count("removed") == 1, "one row moved, and no other was touched"


def test_38_a_save_sends_only_what_changed(window: Window, server: DemoServer) -> None:
    key = server.add("buy milk")
    window.expect_rows("buy milk")

    def answer_late(route: Route) -> None:
        server.change(key, title="buy soy milk")
        route.continue_()

    window.page.route(f"**/api/todos/{key}", answer_late)
    window.toggle("buy milk")
    window.expect_rows("[x] buy soy milk")
    wait_until(lambda: states(server) == [True])
    assert titles(server) == ["buy soy milk"]
    window.expect_calm()


def test_39_what_is_done_to_a_todo_being_created_waits_for_it(window: Window, server: DemoServer) -> None:
    held: list[Route] = []
    window.page.route("**/api/todos", lambda route: held.append(route))
    window.add("buy milk", "call home")
    window.toggle("buy milk")
    window.rename("buy milk", "buy oat milk")
    window.delete("call home")
    assert len(held) == 2
    for route in held:
        route.continue_()
    window.expect_rows("[x] buy oat milk")
    wait_until(
        lambda: [(row["title"], row["completed"]) for row in server.todos()] == [("buy oat milk", True)]
    )
    assert len(held) == 2, "nothing is created twice"
    window.expect_calm()


def test_40_what_could_not_be_saved_is_saved_later(window: Window, server: DemoServer) -> None:
    server.add("write")
    window.expect_rows("write")
    window.context.set_offline(True)
    window.add("buy milk")
    window.toggle("write")
    expect(window.row("buy milk")).to_have_class(re.compile(r"\bunsaved\b"))
    expect(window.row("write")).to_have_class(re.compile(r"\bunsaved\b"))
    window.context.set_offline(False)
    wait_until(
        lambda: (
            [(row["title"], row["completed"]) for row in server.todos()]
            == [("buy milk", False), ("write", True)]
        )
    )
    window.expect_rows("buy milk", "[x] write")
    expect(window.page.locator("li.unsaved")).to_have_count(0)
    assert [fault for fault in window.faults if "Failed to load" not in fault] == []


def test_41_a_light_says_whether_the_page_is_live(window: Window) -> None:
    expect(window.light).to_have_text("live")
    expect(window.light).to_have_class("status live")
    expect(window.light).to_have_attribute("aria-live", "polite")
    expect(window.light).to_have_attribute("role", "status")
    assert [light for light in window.seen()["lights"] if light not in ("connecting", "live")] == []


def test_42_the_page_works_under_a_strict_policy(window: Window, server: DemoServer) -> None:
    answers: list[Any] = []
    window.page.on("response", lambda response: answers.append(response))
    window.page.reload()
    window.add("buy milk")
    window.expect_rows("buy milk")
    policy = httpx.get(server.address + "/").headers["content-security-policy"]
    assert policy == "default-src 'self'"
    assert window.faults == []
    assert {answer.status for answer in answers} <= {200, 201, 304}
    assert all(answer.url.startswith(server.address) for answer in answers)
