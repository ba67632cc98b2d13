"""Endpoints: where a request may go, and what its answer may cost."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from livecollections import endpoint
from livecollections.endpoint import Endpoint, Reply, is_public, resolve
from livecollections.signature import key_of, sign

from .receiver import SECRET, Answer, receiving

PUBLIC = (
    "93.184.216.34",
    "8.8.8.8",
    "2606:2800:220:1::1",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "::ffff:8.8.8.8",
)
PRIVATE = (
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.0.8", "198.18.0.1", "203.0.113.5", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::1", "2001:0:1:2:3:4:f5ff:fffe", "fe80::1", "fe80::1%lo", "fc00::1", "fec0::1", "ff02::1",
    "2001:db8::1", "100::1",
)  # fmt: skip
HEADERS = {"content-type": "application/json"}
BODY = b'{"data": {}}'


async def post(target: Endpoint) -> Reply:
    try:
        return await target.post(BODY, sign([key_of(SECRET)], "one", int(time.time()), BODY))
    finally:
        await target.close()


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_a_private_or_special_network_is_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::1]", "0"]
)
async def test_no_way_of_writing_it_leads_into_a_private_network(host: str) -> None:
    async with receiving() as (receiver, url):
        port = url.rpartition(":")[2]
        reply = await post(Endpoint(f"http://{host}:{port}", timeout=5))
        assert reply.status is None
        assert "private network" in reply.reason or "can't be resolved" in reply.reason
        assert receiver.heard == []
        assert (await post(Endpoint(url, timeout=5, allow_private=True))).is_taken


async def test_a_name_is_resolved_once_and_the_connection_made_to_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host != "rebinding.test":
            return real(host, port, *arguments, **options)
        asked.append(host)
        addresses = ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.9"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    async with receiving() as (receiver, url):
        there = url.replace("127.0.0.1", "rebinding.test")
        assert (await post(Endpoint(there, timeout=5, allow_private=True))).is_taken
        assert asked == ["rebinding.test"]
        assert receiver.headers[0]["host"] == there.split("/")[2]


async def test_of_several_addresses_the_next_is_tried_and_private_ones_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with receiving() as (receiver, url):
        async with receiving() as (_, gone):
            dead = gone.split(":")[2].split("/")[0]
        monkeypatch.setattr(endpoint, "is_public", lambda address: address != "127.0.0.2")

        async def several(host: str) -> list[str]:
            return ["127.0.0.2", "127.0.0.3", "127.0.0.1"]

        monkeypatch.setattr(endpoint, "resolve", several)
        assert (await post(Endpoint(url, timeout=5))).is_taken
        assert len(receiver.heard) == 1
        refused = await post(Endpoint(f"http://several.test:{dead}/", timeout=5))
        assert refused.status is None


async def test_tls_is_checked_against_the_name(certified: dict[str, Path]) -> None:
    trusting = ssl.create_default_context(cafile=str(certified["ssl_certfile"]))
    options = {name: str(path) for name, path in certified.items()}
    async with receiving(**options) as (receiver, url):
        there = url.replace("http:", "https:")
        assert (await post(Endpoint(there, 5, True, trusting))).is_taken
        stranger = await post(Endpoint(there, 5, True))
        assert "CERTIFICATE_VERIFY_FAILED" in stranger.reason.upper()
        other = await post(Endpoint(there.replace("127.0.0.1", "localhost"), 5, True, trusting))
        assert "CERTIFICATE_VERIFY_FAILED" in other.reason.upper()
        assert len(receiver.heard) == 1


async def test_what_the_environment_says_of_proxies_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with receiving() as (receiver, url):
        assert (await post(Endpoint(url, timeout=5, allow_private=True))).is_taken
        assert len(receiver.heard) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("9" * 40, 999_999_999.0),
        ("soon", 0.0),
        ("-3", 0.0),
        (formatdate(1060, usegmt=True), 60.0),
    ],
)
async def test_retry_after_is_a_number_or_a_date(text: str, seconds: float) -> None:
    async with receiving() as (receiver, url):
        receiver.answer = lambda message: Answer(503, {"retry-after": text})
        reply = await post(Endpoint(url, 5, allow_private=True, clock=lambda: 1000.0))
    assert reply == Reply(503, "answered 503", seconds)


async def test_a_resolver_that_hangs_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: release.wait(30) and [])
    try:
        reply = await post(Endpoint("https://slow.test/", timeout=0.1))
        assert reply.reason == "no answer within 0.1 s"
        waiting = [each for each in threading.enumerate() if each.name == "livecollections-resolve"]
        assert all(each.daemon for each in waiting)
    finally:
        release.set()
    for each in waiting:
        each.join(5)


async def test_a_name_that_does_not_exist_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: Any, **options: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    reply = await post(Endpoint("https://nowhere.test/", timeout=5))
    assert reply.status is None
    assert "nowhere.test can't be resolved" in reply.reason
    with pytest.raises(OSError, match="can't be resolved"):
        await resolve("a" * 300)


async def test_closing_twice_is_safe() -> None:
    target = Endpoint("https://example.test/", timeout=5)
    await target.close()
    await asyncio.gather(target.close(), target.close())
