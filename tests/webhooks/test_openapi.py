"""OpenAPI's section of webhooks, held against what is posted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
from fastapi import FastAPI

from livecollections import Live, Webhook
from tests.serving import wait_until

from .receiver import PATH, SECRET, Order, order, receiving


def described(live: Live) -> dict[str, Any]:
    found: dict[str, Any] = live._openapi()
    return found


def accepts(document: dict[str, Any], kind: str, message: Any) -> bool:
    """Whether a message is what a document says of messages of a kind."""
    (media,) = document["webhooks"][kind]["post"]["requestBody"]["content"].values()
    schema = {**media["schema"], "components": document["components"]}
    return bool(jsonschema_rs.validator_for(schema).is_valid(message))


async def test_what_is_posted_is_what_is_described(tmp_path: Path) -> None:
    async with receiving() as (receiver, url):
        live = Live(f"sqlite:///{tmp_path / 'shop.db'}")
        hooks = [Webhook(url, SECRET, allow_private=True)]
        live.add_resource(PATH, Order, hidden={"secret": lambda user: user is None}, webhooks=hooks)
        before = described(live)
        async with live:
            assert described(live) == before
            await order(live, "a")
            async with live._store.session("kitchen") as session:
                row = await session.get(Order, 1)
                row.text = "b"
                await session.commit()
                await session.delete(row)
                await session.commit()
            await live._store.reset(Order.__tablename__)
            await wait_until(lambda: len(receiver.taken) == 4)
    kinds = [message["type"] for message in receiver.taken]
    assert before["webhooks"].keys() == set(kinds)
    for message, headers in zip(receiver.taken, receiver.headers, strict=True):
        assert [kind for kind in kinds if accepts(before, kind, message)] == [message["type"]]
        assert not accepts(before, message["type"], {**message, "more": 1})
        for parameter in before["webhooks"][message["type"]]["post"]["parameters"]:
            assert jsonschema_rs.is_valid(parameter["schema"], headers[parameter["name"]])
    shown = receiver.taken[0]["data"]["body"]
    told = {**receiver.taken[0], "data": {**receiver.taken[0]["data"], "body": {**shown, "text": 5}}}
    assert not accepts(before, kinds[0], told)
    assert "secret" not in before["components"]["schemas"]["OrderPosted"]["properties"]
    assert "secret" in before["components"]["schemas"]["Order"]["properties"]


def test_only_what_some_webhook_posts_is_described(tmp_path: Path) -> None:
    live = Live(f"sqlite:///{tmp_path / 'shop.db'}")
    several = [
        Webhook("https://a.example/", SECRET, "a", ["delete"]),
        Webhook("https://b.example/", SECRET, "b", ["create"]),
    ]
    live.add_resource("/api/{text}/orders", Order, webhooks=several, tags=["shop"])
    live.add_resource("/api/orders", Order, webhooks=[Webhook("https://c.example/", SECRET, "c", ["update"])])
    live.add_resource("/api/quiet", Order)
    posted = described(live)["webhooks"]
    assert posted.keys() == {
        "api.orders.created", "api.orders.deleted", "api.orders.reset", "api.orders.updated", "api.orders.reset2",
    }  # fmt: skip
    assert posted["api.orders.deleted"]["post"]["tags"] == ["shop"]
    assert "webhooks" not in described(Live("sqlite://"))


def test_a_host_keeps_its_own(tmp_path: Path) -> None:
    app = FastAPI()

    @app.webhooks.post("new-subscription")
    def subscribed() -> None:
        """Told by the host itself."""

    live = Live(f"sqlite:///{tmp_path / 'shop.db'}")
    live.add_resource(PATH, Order, webhooks=[Webhook("https://a.example/", SECRET)])
    live.mount(app)
    assert {"new-subscription", "api.orders.created"} <= app.openapi()["webhooks"].keys()
