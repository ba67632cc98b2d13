"""What the demo serves beside its page, and whom it lets publish where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import livecollections.demo

from .serving import DemoServer

FOLDER = Path(livecollections.demo.__file__).parent
VENDOR = json.loads((FOLDER / "vendor.json").read_text("utf-8"))


class Client:
    """Just enough of Bayeux: one message a request."""

    def __init__(self, server: DemoServer) -> None:
        self._http = server.http
        self._id = self.send("/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"])[
            "clientId"
        ]

    def send(self, channel: str, **fields: Any) -> dict[str, Any]:
        """Send a message; gives its reply."""
        if channel != "/meta/handshake":
            fields["clientId"] = self._id
        replies = self._http.post("/faye", json=[{"channel": channel, "id": "1", **fields}]).json()
        (reply,) = [reply for reply in replies if "successful" in reply]
        answer: dict[str, Any] = reply
        return answer


@pytest.fixture
def client(server: DemoServer) -> Client:
    return Client(server)


@pytest.mark.parametrize("channel", ["/demo/chat", "/demo/a/b", "/demo/*", "/demo/**", "/api/todos"])
def test_anyone_may_subscribe_to(client: Client, channel: str) -> None:
    assert client.send("/meta/subscribe", subscription=channel)["successful"] is True


@pytest.mark.parametrize("channel", ["/chat", "/demo", "/demonstration/a", "/*", "/**", "/api/*", "/api/**"])
def test_nobody_may_subscribe_to(client: Client, channel: str) -> None:
    reply = client.send("/meta/subscribe", subscription=channel)
    assert reply["successful"] is False
    assert reply["error"].startswith("403:")


def test_anyone_may_publish_below_demo(client: Client) -> None:
    assert client.send("/demo/chat", data={"text": "hi"})["successful"] is True


@pytest.mark.parametrize("channel", ["/chat", "/demo", "/api/todos", "/api/todos/1"])
def test_nobody_may_publish_elsewhere(client: Client, server: DemoServer, channel: str) -> None:
    reply = client.send(channel, data={"method": "POST", "body": {"id": 1, "title": "forged"}})
    assert reply["successful"] is False
    assert reply["error"].startswith("403:")


@pytest.mark.parametrize("path", ["/", "/app.js", "/live/health", "/docs", "/openapi.json"])
def test_it_serves(server: DemoServer, path: str) -> None:
    assert server.http.get(path).status_code == 200


def test_the_page_has_its_third_party_files_and_their_licences(server: DemoServer) -> None:
    for entry in VENDOR:
        assert server.http.get(entry["to"].removeprefix("static")).status_code == 200, entry["to"]
    packages = {Path(entry["to"]).parent for entry in VENDOR}
    assert {Path(entry["to"]).parent for entry in VENDOR if "licence" in entry} == packages


def test_nothing_third_party_is_named_by_the_page_that_is_not_listed() -> None:
    page = (FOLDER / "static" / "index.html").read_text("utf-8")
    listed = {entry["to"].removeprefix("static") for entry in VENDOR}
    named = {word.split('"')[0] for word in page.split('"') if word.startswith("/vendor/")}
    assert named <= listed
    assert len(named) == len({Path(entry["to"]).parent for entry in VENDOR})
