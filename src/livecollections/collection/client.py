"""LiveClient: one server, as a Python program sees it: its collections, over one Bayeux client and one HTTP client."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from ssl import SSLContext
from typing import Any, Self, TypeVar, overload
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx

from ..bayeux.channel import escape
from ..bayeux.client import Client, check_count
from ..bayeux.ways import Endpoint
from ..errors import ClientClosed, ConfigurationError
from .form import Form
from .live_collection import LiveCollection
from .replica import Replica
from .rest import Headers, Rest, query_texts

M = TypeVar("M")


class LiveClient:
    """A server's collections: ``async with LiveClient("http://127.0.0.1:8000") as client``.

    Entering it does not wait for the server; entering a collection does. One Bayeux client serves all collections,
    and one subscription those of one channel.

    Args:
        url: of the server: scheme, host, and the path under which it is mounted.
        faye: the path of its Bayeux endpoint, below that; or another URL.
        headers: of each request, or a function that gives them, also a coroutine function.
        token: what Bayeux handshakes tell as ``ext.token``, or a function that gives it, asked at each.
        transports: "websocket" and "long-polling", the best first.
        timeout: seconds until what is waited for is given up: entering a collection, a write.
        patience: seconds that one answer may take.
        ack: whether to acknowledge Bayeux messages where the server offers it.
        ssl: what decides whom to trust over TLS, for REST and Bayeux alike; None: the certificates of the machine.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        url: str,
        *,
        faye: str = "/faye",
        headers: Headers | Callable[[], Headers | Awaitable[Headers]] | None = None,
        token: Any = None,
        transports: Sequence[str] = ("websocket", "long-polling"),
        timeout: float = 30.0,
        patience: float = 10.0,
        ack: bool = True,
        ssl: SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigurationError(f"url: such as 'http://127.0.0.1:8000' is expected, not {url!r}")
        if not isinstance(faye, str) or not (faye.startswith("/") or "://" in faye):
            raise ConfigurationError(f"faye: a path such as '/faye', or a URL, is expected, not {faye!r}")
        self._url = url.rstrip("/")
        self._prefix = parts.path.rstrip("/")
        self._headers = headers or {}
        self._timeout = timeout
        self._patience = patience
        self._bayeux = Client(
            faye if "://" in faye else self._url + faye,
            transports=transports,
            headers=headers,
            token=token,
            timeout=timeout,
            patience=patience,
            ack=ack,
            ssl=ssl,
        )
        self._ssl = ssl
        self._http: httpx.AsyncClient | None = None
        self._stack = AsyncExitStack()
        self._collections: weakref.WeakKeyDictionary[LiveCollection[Any], None] = weakref.WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"LiveClient({self._url!r}, {self._bayeux.state.value})"

    @property
    def bayeux(self) -> Client:
        """The Bayeux client, for plain channels beside the collections."""
        return self._bayeux

    async def __aenter__(self) -> Self:
        # Certificates that can't be read are told before anything has begun.
        http = httpx.AsyncClient(
            base_url=self._url,
            timeout=self._patience,
            limits=httpx.Limits(max_connections=20),
            verify=Endpoint(self._url, self._ssl).certificates,
        )
        await self._stack.enter_async_context(self._bayeux)
        self._http = await self._stack.enter_async_context(http)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what is still open, and stop."""
        # The stack goes on when this is cancelled, so that nothing is left.
        for collection in self._collections:
            self._stack.push_async_callback(collection.close)
        self._http = None
        await self._stack.aclose()

    @overload
    def collection(
        self,
        path: str,
        *,
        model: type[M],
        key: str | Sequence[str] | None = ...,
        query: Mapping[str, Any] | None = ...,
        optimistic: bool = ...,
        tries: int | None = ...,
    ) -> LiveCollection[M]: ...

    @overload
    def collection(
        self,
        path: str,
        *,
        model: None = ...,
        key: str | Sequence[str] | None = ...,
        query: Mapping[str, Any] | None = ...,
        optimistic: bool = ...,
        tries: int | None = ...,
    ) -> LiveCollection[dict[str, Any]]: ...

    def collection(
        self,
        path: str,
        *,
        model: type[Any] | None = None,
        key: str | Sequence[str] | None = None,
        query: Mapping[str, Any] | None = None,
        optimistic: bool = False,
        tries: int | None = None,
    ) -> LiveCollection[Any]:
        """A live collection of a resource: ``async with client.collection("/api/todos") as todos``.

        Args:
            path: of the list, below the server's URL; it may have a query.
            model: a Pydantic or SQLModel class, of which the documents are then instances; None: dictionaries.
            key: the members of a document that are its key; None: those of the model's table, or ``id``.
            query: what the list is filtered by; it defines the collection.
            optimistic: whether a write shows at once, before the server has answered.
            tries: failed ones, to connect or to read, after which entering is given up; None: any number, within
                the client's ``timeout``.

        Raises:
            ConfigurationError: an option is wrong.
            ClientClosed: the client is not open.
        """
        if self._http is None:
            raise ClientClosed("the client is not open: use `async with`")
        bare, _, asked = path.partition("?") if isinstance(path, str) else ("", "", "")
        bare = bare.rstrip("/")
        if not bare.startswith("/"):
            raise ConfigurationError(f"path: such as '/api/todos' is expected, not {path!r}")
        if tries is not None:
            check_count("tries", tries)
        if not isinstance(optimistic, bool):
            raise ConfigurationError(f"optimistic: True or False is expected, not {optimistic!r}")
        wanted = {**dict(parse_qsl(asked)), **query_texts(query or {})}
        form = Form(model, key)
        made: LiveCollection[Any] = LiveCollection(
            bare,
            self._bayeux,
            Rest(self._http, bare, wanted, self._headers),
            Replica(_channel(self._prefix + bare), form.keys, is_signal=bool(wanted)),
            form,
            optimistic=optimistic,
            timeout=self._timeout,
            tries=tries,
        )
        self._collections[made] = None
        return made


def _channel(path: str) -> str:
    """The channel of a URL's path, until the server names it. What is percent-encoded is part of its segment."""
    return "/".join(escape(unquote(each) + "x")[:-1].replace("/", "~2F") for each in path.split("/"))
