"""How an application is served: uvicorn, on its fast parts, with a short stop.

A taken port is known before anything starts; the address is printed when everything has (before, where others than this
process serve), and below it, on loopback, the link by which a developer opens the inspector.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import LiveError
from .keyboard import ending, fail
from .logs import Level, logger
from .target import lives_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence

    from uvicorn import Config

    from ..inspector import Key

    Message = MutableMapping[str, Any]

GRACE = 2
"""Seconds that a stop may take."""
BACKLOG = 65_535
"""Sockets that may wait to be accepted; the system has a bound of its own, and drops those beyond."""


class Announced:
    """An application whose start is watched: its addresses are printed when it is up, its error is kept.

    An error of ours at start is for ``fail``: the server sees it as a quiet stop.
    """

    def __init__(self, app: Any, addresses: Sequence[str]) -> None:
        self.app = app
        self.addresses = addresses
        self.error: LiveError | None = None
        self.stop: Callable[[], None]

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                held.append(message)
                return
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                print(*self.addresses, sep="\n", flush=True)

        try:
            await self.app(scope, receive, sending)
        except LiveError as error:
            self.error = error
            self.stop()
            return
        except BaseException:
            for message in held:
                await send(message)
            raise
        for message in held:
            await send(message)


def serve(app: Any, host: str, port: int, level: Level, inspector: bool) -> None:
    """Serve until a signal comes. inspector: open it to a developer at this machine."""
    import uvicorn

    listening = listen(host, port)
    if inspector:
        open_inspectors(host, app)
    announced = Announced(app, addresses_of(listening, app))
    warn_if_open(host, app)
    server = uvicorn.Server(uvicorn.Config(announced, **uvicorn_settings(log_config=None, **told(level))))

    def stop() -> None:
        server.should_exit = True

    announced.stop = stop
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()
    if announced.error is not None:
        raise announced.error


@dataclass(frozen=True, slots=True)
class Running:
    """What ``run`` was asked for. path: of the application.  as_json: whether processes tell objects."""

    path: str
    host: str
    port: int
    workers: int
    reload: bool
    metrics: bool
    inspector: bool
    level: Level
    as_json: bool


def supervise(asked: Running, app: Any) -> None:
    """Serve in several processes, or in one that is started again when a source file changes."""
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import ChangeReload, Multiprocess

    from .processes import ProcessConfig

    listening = listen(asked.host, asked.port)
    warn_if_open(asked.host, app)
    key = open_inspectors(asked.host, app) if asked.reload and asked.inspector else None
    addresses = addresses_of(listening, app)
    print(*addresses, sep="\n", flush=True)
    settings = uvicorn_settings(**told(asked.level))
    if asked.reload:
        config = ProcessConfig(asked.path, asked.level, asked.as_json, reload=True, **settings)
        again = partial(serve_again, asked, key, addresses, config)
        ChangeReload(config, target=again, sockets=[listening]).run()
    else:
        loaded = partial(measured, asked.path) if asked.metrics else asked.path
        settings.update(factory=asked.metrics, workers=asked.workers)
        config = ProcessConfig(loaded, asked.level, asked.as_json, **settings)
        supervisor = Multiprocess(config, sockets=[listening])
        supervisor.run()
        if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
            raise SystemExit(STARTUP_FAILURE)


def told(level: Level) -> dict[str, Any]:
    """What uvicorn is to tell."""
    return {"log_level": level.of_uvicorn.value, "access_log": level.tells_requests}


def serve_again(
    asked: Running,
    key: Key | None,
    addresses: Sequence[str],
    config: Config,
    sockets: Sequence[socket.socket],
) -> None:
    """Serve an application as it is by now, in the process that this is.

    key: of its inspectors, as it was told.  addresses: that were printed; a link that has come since is printed, too.
    """
    import uvicorn
    from uvicorn.importer import import_from_string

    with ending():
        app = import_from_string(asked.path)
        if asked.inspector:
            open_inspectors(asked.host, app, key)
        if asked.metrics:
            measure(app)
    for fresh in [address for address in addresses_of(sockets[0], app) if address not in addresses]:
        print(fresh, flush=True)
    uvicorn.Server(config).run([*sockets])


def open_inspectors(host: str, app: Any, key: Key | None = None) -> Key | None:
    """Let a developer at this machine inspect what nobody has said anything else of; gives the key that he needs.

    key: that he was told already.
    """
    from ..gate import is_loopback
    from .key import kept_key

    unsaid = [live for live in lives_of(app) if live._access.is_unsaid]
    if not unsaid or not is_loopback(host):
        return None
    key = key or kept_key()
    for live in unsaid:
        live._access.key = key
    return key


def addresses_of(listening: socket.socket, app: Any) -> list[str]:
    """What a developer goes to: the address of an application, and the links that open its inspectors."""
    address = address_of(listening)
    opened = [(live, key) for live in lives_of(app) if (key := live._access.key) is not None]
    return [address, *(f"inspector: {key.link(address, f'{live._prefix}/live')}" for live, key in opened)]


def measured(path: str) -> Any:
    """The application at a path, with figures for Prometheus."""
    from uvicorn.importer import import_from_string

    app = import_from_string(path)
    measure(app)
    return app


def measure(app: Any) -> None:
    """Have each Live of an application serve figures for Prometheus, where its code does not say so."""
    from ..metrics import require_client

    require_client()
    lives = list(lives_of(app))
    if not lives:
        fail("--metrics: no Live is found in the application; say Live(metrics=True) there")
    for live in lives:
        live._metrics = True


def uvicorn_settings(**others: Any) -> dict[str, Any]:
    """How uvicorn is run: on its fast parts, and stopping soon."""
    return {
        "loop": "auto",
        "http": "auto",
        "ws": "livecollections.bayeux.transports.direct:DirectProtocol",
        # It would cost 40 KiB more for each browser, and compress each message once for each of them.
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": GRACE,
        "backlog": BACKLOG,
        **others,
    }


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a taken port is known before anything starts."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = (
            "is taken: give another with --port"
            if error.errno == errno.EADDRINUSE
            else f"cannot be had: {error.strerror}"
        )
        fail(f"port {port} of {host} {reason}")
    listening.set_inheritable(True)
    return listening


def address_of(listening: socket.socket) -> str:
    """The address for a browser on this machine."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def warn_if_open(host: str, app: Any) -> None:
    """Say in one line that others may come in, where they may."""
    lives = list(lives_of(app))
    if host == "localhost" or (lives and all(live._caller.knows_users for live in lives)):
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    logger.warning(
        "listening beyond loopback without authentication: whoever reaches %s may do all that it offers", host
    )
