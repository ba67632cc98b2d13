"""The pictures of the inspector: its overview while two windows are open on a shop, and a table with a wrong price.

All that they show has happened. ``python -m tests.inspector.picture`` makes them anew in docs/images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, expect
from sqlmodel import Field, SQLModel

from livecollections import Live
from livecollections.testing import Site
from tests.demo.window import chromium

from .window import PHONE, InspectorWindow

IMAGES = Path(__file__).parents[2] / "docs" / "images"
OVERVIEW, TABLE, SMALL = "inspector.png", "inspector-table.png", "inspector-phone.png"
SIZE = (1180, 800)
CUSTOMERS = ("Ada Lovelace", "Emil Berliner", "Grace Hopper", "Konrad Zuse")
ARTICLES = ("Kettle", "Lamp", "Teapot", "Clock", "Chair", "Mirror", "Vase", "Radio")


class Customer(SQLModel, table=True):
    __tablename__ = "picture_customer"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=40)


class Order(SQLModel, table=True):
    __tablename__ = "picture_order"
    id: int | None = Field(default=None, primary_key=True)
    article: str = Field(max_length=40)
    customer_id: int
    price: float = Field(gt=0)
    paid: bool = False


class Message(SQLModel, table=True):
    __tablename__ = "picture_message"
    id: int | None = Field(default=None, primary_key=True)
    room: str
    text: str


@contextmanager
def shop() -> Iterator[str]:
    """A shop that is served, with something in it; gives its address."""
    live = Live("sqlite://", inspector=True)
    live.add_resource("/api/customers", Customer, methods=["GET"])
    live.add_resource("/api/orders", Order)
    live.add_resource("/api/rooms/{room}/messages", Message)
    with Site(live) as site:
        for number, name in enumerate(CUSTOMERS, 1):
            site.sql(f"insert into picture_customer (id, name) values ({number}, '{name}')")
        yield site.url


def take(browser: Browser, address: str, folder: Path) -> None:
    """Make the pictures in a folder. address: of a shop that nobody has ordered from."""
    overview = InspectorWindow(browser, address, size=SIZE)
    table, small = (InspectorWindow(browser, address, "/api/orders", size) for size in (SIZE, PHONE))
    for place, article in enumerate(ARTICLES):
        body = {"article": article, "customer_id": place % 4 + 1, "price": 19.5 + 7 * place}
        httpx.post(f"{address}/api/orders", json=body).raise_for_status()
    httpx.post(f"{address}/api/rooms/desk/messages", json={"text": "Who has the lamp?"}).raise_for_status()
    httpx.patch(f"{address}/api/orders/7", json={"paid": True, "price": 65}).raise_for_status()
    httpx.delete(f"{address}/api/orders/2").raise_for_status()
    expect(overview.page.locator(".changes li").first).to_contain_text("/api/orders/2")
    expect(overview.figure("Sessions")).to_have_text("2")
    for window in (table, small):
        expect(window.page.locator(".grid tbody tr")).to_have_count(7)
    table.edit(table.cell("Mirror", "price"), "-3")
    expect(table.page.locator("#edited-fault")).to_contain_text("greater than 0")
    for window, name in ((overview, OVERVIEW), (table, TABLE), (small, SMALL)):
        window.page.mouse.move(5, 5)
        window.page.screenshot(path=folder / name, animations="disabled")
        window.close()


def main() -> None:
    """Make the pictures anew."""
    with chromium() as browser, shop() as address:
        take(browser, address, IMAGES)


if __name__ == "__main__":
    main()
