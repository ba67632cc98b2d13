"""Endpoint: an address of somebody else's that messages are posted to.

Three rules. A request goes only to an address that was looked at first, so that no name leads into our own network:
the name is resolved once, and the connection made to what it resolved to. Whatever the other side does, a request
takes bounded time and memory. No redirect is followed, and no proxy of the environment is asked.

It knows no message and no signature.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from ssl import SSLContext
from typing import Any

LOOKED_AT = 4
"""Addresses of one name that are tried."""
ANSWER = 64 * 1024
"""Bytes of an answer's body that are read, so that its connection can be used again."""
ANSWER_TIME = 1.0
"""Seconds for that."""

_ASSIGNMENTS = ip_network("192.0.0.0/24")
_UNICAST = ip_network("2000::/3")
_TRANSLATED = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a request: a status, or why there is none. retry_after: seconds that the other side asks for."""

    status: int | None
    reason: str
    retry_after: float = 0.0

    @property
    def is_taken(self) -> bool:
        """Whether the other side has it."""
        return self.status is not None and 200 <= self.status < 300


class Endpoint:
    """One URL.

    timeout: seconds until the head of an answer must be there.  allow_private: whether it may be in a private network.
    ssl: decides whom to trust; None: as shipped.  clock: gives the seconds since 1970.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        allow_private: bool = False,
        ssl: SSLContext | None = None,
        clock: Callable[[], float] = lambda: time.time(),
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._allow_private = allow_private
        self._ssl = ssl
        self._clock = clock
        self._client: Any = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a body once. Whatever goes wrong is a reply without a status."""
        import httpx

        if self._client is None:
            verify = True if self._ssl is None else self._ssl
            self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, verify=verify)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._send(body, headers)
        except TimeoutError:
            return Reply(None, f"no answer within {self._timeout:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Reply(None, str(error) or type(error).__name__)
        await _skip(response)
        wait = _retry_after(response.headers.get("retry-after"), self._clock())
        return Reply(response.status_code, f"answered {response.status_code}", wait)

    async def _send(self, body: bytes, headers: Mapping[str, str]) -> Any:
        import httpx

        url = httpx.URL(self._url)
        addresses = await self._addresses(url.raw_host.decode().strip("[]"))
        for left, address in reversed(list(enumerate(addresses))):
            # The name goes into the request and into TLS, but not to the resolver again: it might answer otherwise.
            request = self._client.build_request(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers={**headers, "host": url.netloc.decode()},
                timeout=httpx.Timeout(self._timeout, connect=self._timeout / len(addresses)),
                extensions={"sni_hostname": url.raw_host.decode().strip("[]")},
            )
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if not left:
                    raise
        raise AssertionError("there is an address")

    async def _addresses(self, host: str) -> list[str]:
        """Where the name leads, the best last. Raises OSError where that is nowhere that is allowed."""
        found = await resolve(host)
        allowed = [each for each in found if self._allow_private or is_public(each)]
        if not allowed:
            raise OSError(f"{host} is in a private network ({', '.join(found)}), which is not allowed")
        return allowed[:LOOKED_AT][::-1]

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


async def resolve(host: str) -> list[str]:
    """The addresses of a name, the best first. Raises OSError.

    On a thread of its own, which nobody waits for: a resolver that hangs holds up no end of the process.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(found: list[str], error: Exception | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)

    def look_up() -> None:
        found: list[str] = []
        failure: Exception | None = None
        try:
            entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as error:
            failure = OSError(f"{host} can't be resolved: {error}")
        with suppress(RuntimeError):  # the loop has ended: nobody asks any more
            loop.call_soon_threadsafe(tell, found, failure)

    threading.Thread(target=look_up, name="livecollections-resolve", daemon=True).start()
    return await answer


def is_public(address: str) -> bool:
    """Whether an address is one of the open Internet, and not of a private, local or special network."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = _inside(found)
        if inner is None:
            return found.is_global and found in _UNICAST
        found = inner
    return found.is_global and not found.is_multicast and not found.is_reserved and found not in _ASSIGNMENTS


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to an IPv6 one end at."""
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


async def _skip(response: Any) -> None:
    """Read a short body, so that the connection can be used again; close it on any other."""
    import httpx

    left = ANSWER
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(ANSWER_TIME):
            async for part in response.aiter_raw():
                left -= len(part)
                if left < 0:
                    break
    await response.aclose()


def _retry_after(text: str | None, now: float) -> float:
    """The seconds that ``Retry-After`` asks for: a number, or a date (RFC 9110, section 10.2.3)."""
    if text is None:
        return 0.0
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0
