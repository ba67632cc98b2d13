"""The inspector in a browser: what is seen there, and edited there by whoever may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Browser, Route, expect
from sqlmodel import Field, SQLModel
from starlette.applications import Starlette

from livecollections import Live
from livecollections.testing import Site
from tests.demo.window import chromium

from .conftest import Entry, House, Note
from .window import PHONE, InspectorWindow

Open = Callable[..., InspectorWindow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=15_000)
    with chromium() as browser:
        yield browser


class Part(SQLModel, table=True):
    """A row whose key has two parts, and whose versions are counted."""

    __tablename__ = "inspector_part"
    shop: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    text: str | None = None
    version: int = 1


@pytest.fixture
def address() -> Iterator[str]:
    """Of a Live without users that all may inspect."""
    live = Live("sqlite://", inspector=True)
    live.add_resource("/api/entries", Entry)
    live.add_resource("/api/owners/{owner}/notes", Note)
    live.add_resource("/api/parts", Part, locking="version", require_if_match=True)
    with Site(live) as site:
        yield site.url


@pytest.fixture
def open_window(browser: Browser, address: str) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_window(path: str = "", **options: object) -> InspectorWindow:
            window = InspectorWindow(browser, address, path, **options)  # type: ignore[arg-type]
            stack.callback(window.close)
            return window

        yield open_window


def add(address: str, *texts: str) -> None:
    for text in texts:
        assert httpx.post(f"{address}/api/entries", json={"text": text}).status_code == 201


def test_two_windows_see_a_row_edited_made_and_deleted(address: str, open_window: Open) -> None:
    add(address, "milk", "bread")
    one, other = open_window("/api/entries"), open_window("/api/entries")
    one.edit(one.cell("milk", "text"), "oat milk")
    for window in (one, other):
        expect(window.cell("oat milk", "id")).to_have_text("1")
    other.page.get_by_role("button", name="New").click()
    other.page.get_by_label("text").fill("salt")
    other.page.keyboard.press("Enter")
    for window in (one, other):
        expect(window.row("salt")).to_have_count(1)
    erase = one.row("bread").get_by_role("button", name="Delete")
    erase.click()
    expect(other.row("bread")).to_have_count(1)
    one.row("bread").get_by_role("button", name="Delete it?").click()
    for window in (one, other):
        expect(window.page.locator("tbody tr")).to_have_count(2)
        assert window.faults == []


def test_a_refusal_is_told_at_its_field_and_changes_nothing(address: str, open_window: Open) -> None:
    add(address, "milk")
    window = open_window("/api/entries")
    window.edit(window.cell("milk", "text"), "m" * 21)
    expect(window.page.locator("#edited-fault")).to_contain_text("at most 20")
    expect(window.page.locator("#edited")).to_have_attribute("aria-invalid", "true")
    window.page.keyboard.press("Escape")
    expect(window.cell("milk", "text")).to_be_focused()
    window.page.keyboard.press("ArrowRight")
    expect(window.cell("milk", "secret")).to_be_focused()
    window.edit(window.cell("milk", "secret"), "none")
    expect(window.page.locator("#edited-fault")).to_contain_text("integer")
    window.page.keyboard.press("Escape")
    window.page.get_by_role("button", name="New").click()
    window.page.get_by_label("secret").fill("x")
    window.page.keyboard.press("Enter")
    expect(window.page.locator("#new-secret-fault")).to_contain_text("integer")
    assert [row["text"] for row in httpx.get(f"{address}/api/entries").json()] == ["milk"]


def test_pages_sorting_and_one_value(address: str, open_window: Open) -> None:
    body = [{"text": f"text {number}", "secret": number % 2} for number in range(60)]
    assert httpx.post(f"{address}/api/entries", json=body).status_code == 201
    window = open_window("/api/entries")
    expect(window.page.locator("tbody tr")).to_have_count(50)
    expect(window.page.locator("tbody tr").first).to_contain_text("text 59")
    window.page.get_by_role("link", name="Next").click()
    expect(window.page.locator("tbody tr")).to_have_count(10)
    window.page.get_by_role("link", name="id").click()
    expect(window.page.locator("tbody tr").first).to_contain_text("text 0")
    window.page.get_by_label("Field").select_option("secret")
    window.page.get_by_label("Value").fill("1")
    window.page.keyboard.press("Enter")
    expect(window.page.locator("tbody tr")).to_have_count(30)
    window.page.get_by_label("Value").fill("7")
    window.page.keyboard.press("Enter")
    expect(window.page.get_by_text("Nothing here matches.")).to_be_visible()


def test_keys_of_several_parts_and_versions_are_no_hindrance(address: str, open_window: Open) -> None:
    window = open_window("/api/parts")
    window.page.get_by_role("button", name="New").click()
    window.page.get_by_label("shop").fill("a,b/c")
    window.page.get_by_label("number").fill("7")
    window.page.get_by_role("button", name="Create").click()
    window.edit(window.cell("a,b/c", "text"), "nails")
    expect(window.cell("a,b/c", "text")).to_have_text("nails")
    window.edit(window.cell("a,b/c", "text"), "screws")
    expect(window.cell("a,b/c", "version")).to_have_text("3")
    window.row("screws").get_by_role("button", name="Delete").click()
    window.row("screws").get_by_role("button", name="Delete it?").click()
    expect(window.page.locator("tbody tr")).to_have_count(0)
    assert window.faults == []


def test_what_was_changed_since_an_editor_opened_is_not_overwritten(address: str, open_window: Open) -> None:
    assert httpx.post(f"{address}/api/parts", json={"shop": "a", "number": 1, "text": "nails"}).is_success
    window = open_window("/api/parts")
    with window.page.expect_response("**/api/parts/*") as asked:
        window.cell("a", "text").click()
    changed = {"text": "screws", "version": 1}
    tag = {"If-Match": asked.value.headers["etag"]}
    assert httpx.patch(asked.value.url, json=changed, headers=tag).is_success
    expect(window.cell("a", "version")).to_have_text("2")
    window.page.locator("#edited").fill("hooks")
    window.page.keyboard.press("Enter")
    expect(window.page.locator("#edited-fault")).not_to_be_empty()
    assert httpx.get(asked.value.url).json()["text"] == "screws"


def test_what_changed_after_it_was_asked_for_is_not_deleted(address: str, open_window: Open) -> None:
    assert httpx.post(f"{address}/api/parts", json={"shop": "a", "number": 1, "text": "nails"}).is_success
    window = open_window("/api/parts")
    row = window.row("a")
    with window.page.expect_response("**/api/parts/*") as asked:
        row.get_by_role("button", name="Delete").click()
    tag = {"If-Match": asked.value.headers["etag"]}
    assert httpx.patch(asked.value.url, json={"text": "screws", "version": 1}, headers=tag).is_success
    expect(row).to_contain_text("screws")
    expect(row.get_by_role("button")).to_have_text("Delete")
    row.get_by_role("button").click()
    row.get_by_role("button", name="Delete it?").click()
    expect(row).to_have_count(0)
    assert httpx.get(asked.value.url).status_code == 404


def test_what_was_not_shown_as_it_is_can_not_be_deleted(address: str, open_window: Open) -> None:
    """Somebody changes it, and the page still waits for an answer that would show that."""
    assert httpx.post(f"{address}/api/parts", json={"shop": "a", "number": 1, "text": "nails"}).is_success
    window = open_window("/api/parts")

    def change_first(route: Route) -> None:
        tag = {"If-Match": httpx.get(route.request.url).headers["etag"]}
        body = {"text": "screws", "version": 1}
        assert httpx.patch(route.request.url, json=body, headers=tag).is_success
        route.fulfill(response=route.fetch())

    window.page.route("**/api/parts?*", lambda route: None)
    window.page.route("**/api/parts/*", change_first, times=1)
    row = window.row("a")
    row.get_by_role("button", name="Delete").click()
    row.get_by_role("button", name="Delete it?").click()
    expect(window.page.get_by_role("alert").filter(has_text="since you saw it")).to_be_visible()
    expect(row).to_contain_text("nails")
    assert [each["text"] for each in httpx.get(f"{address}/api/parts").json()] == ["screws"]


def test_it_is_where_the_live_is_mounted(browser: Browser) -> None:
    live, app = Live("sqlite://", inspector=True), Starlette()
    live.add_resource("/entries", Entry)
    live.mount(app, prefix="/v1")
    with Site(app) as site:
        httpx.post(f"{site.url}/v1/entries", json={"text": "milk"}).raise_for_status()
        window = InspectorWindow(browser, f"{site.url}/v1", "/v1/entries")
        window.edit(window.cell("milk", "text"), "oat milk")
        expect(window.row("oat milk")).to_have_count(1)
        assert httpx.get(f"{site.url}/v1/entries").json()[0]["text"] == "oat milk"
        window.close()


def test_the_overview_follows_what_happens(address: str, open_window: Open) -> None:
    overview = open_window()
    expect(overview.page.get_by_text("None since this server was started")).to_be_visible()
    expect(overview.figure("Sessions")).to_have_text("0")
    table = open_window("/api/entries")
    expect(overview.figure("Sessions")).to_have_text("1")
    subscribed = overview.page.locator("section", has_text="Channels").locator(
        "tbody tr", has_text="/api/entries"
    )
    expect(subscribed.last).to_contain_text("1")
    seq = httpx.post(f"{address}/api/entries", json={"text": "milk"}).headers["live-seq"]
    change = overview.page.locator(".changes li").first
    expect(change).to_contain_text("/api/entries/1")
    expect(change.locator(".seq")).to_have_text(seq)
    table.page.get_by_role("link", name="Overview").click()
    expect(overview.figure("Subscriptions")).to_have_text("0")
    expect(overview.page.locator("section", has_text="Sessions").locator("tbody tr")).to_have_count(1)
    assert overview.faults == []


def test_it_shows_by_how_much_a_session_is_behind(address: str, open_window: Open) -> None:
    """One that has subscribed and takes nothing, until it polls."""
    with httpx.Client(base_url=address, timeout=20) as client:

        def tell(channel: str, **more: object) -> dict[str, str]:
            told: dict[str, str] = client.post("/faye", json=[{"channel": channel, **more}]).json()[0]
            return told

        kinds = ["long-polling"]
        session = tell("/meta/handshake", version="1.0", supportedConnectionTypes=kinds)["clientId"]
        tell("/meta/subscribe", clientId=session, subscription="/api/entries")
        overview = open_window()
        row = overview.page.locator("section", has_text="Sessions").locator("tr", has_text=session[-6:])
        behind = row.locator("td").nth(4)
        expect(behind).to_have_text("0")
        add(address, "milk", "bread", "salt")
        expect(behind).to_have_text("3")
        expect(behind).to_have_class("figures late")
        tell("/meta/connect", clientId=session, connectionType="long-polling")
        expect(behind).to_have_text("0")
        expect(behind).to_have_class("figures soft")
        assert overview.faults == []


def test_a_list_for_each_value_asks_which(address: str, open_window: Open) -> None:
    httpx.post(f"{address}/api/owners/7/notes", json={"text": "mine"})
    window = open_window()
    window.page.get_by_role("navigation").get_by_role("link", name="/api/owners/{owner}/notes").click()
    window.page.get_by_label("owner").fill("7")
    window.page.keyboard.press("Enter")
    expect(window.row("mine")).to_have_count(1)


@pytest.mark.parametrize("path", ["", "/api/entries", "/api/owners/{owner}/notes"])
def test_a_phone_need_not_scroll_sideways(address: str, open_window: Open, path: str) -> None:
    add(address, "unbroken" * 2, "milk")
    window = open_window("/api/entries", size=PHONE)
    window.page.goto(f"{address}/live#{path}")
    expect(window.page.locator("main")).to_contain_text("/api")
    assert window.is_as_wide_as_its_window()
    if path == "/api/entries":
        window.cell("milk", "text").click()
        expect(window.page.locator("#edited")).to_be_visible()
        assert window.is_as_wide_as_its_window()


def test_who_may_not_look_sees_nothing(browser: Browser, house: House) -> None:
    for token, status in (("cid", 403), ("", 401)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        page = browser.new_page(extra_http_headers=headers)
        answer = page.goto(f"{house.site.url}/live")
        assert answer is not None
        assert answer.status == status
        expect(page.locator("nav")).to_have_count(0)
        page.close()


def test_what_may_only_be_read_can_not_be_edited(browser: Browser, house: House) -> None:
    with house.client("bob") as bob:
        bob.post("/api/entries", json={"text": "milk", "secret": 7})
    window = InspectorWindow(browser, house.site.url, "/api/entries", token="ann")
    cell = window.cell("milk", "text")
    cell.click()
    window.page.keyboard.press("Enter")
    expect(window.page.locator("#edited")).to_have_count(0)
    expect(window.page.locator("td[data-label='secret']")).to_have_count(0)
    expect(window.page.get_by_role("button", name="Delete")).to_have_count(0)
    window.close()
