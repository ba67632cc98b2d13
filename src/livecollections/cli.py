"""The command line: the demo, serving, and what a database administrator needs.

Two rules. What the person at the keyboard can set right is one line on stderr and exit status 2, never a
traceback. Nothing is imported before the command that needs it runs, so that ``--help`` is quick.

It knows no protocol and no SQL.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import ipaddress
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from .errors import LiveError
from .version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping

    from .live import Live

    Message = MutableMapping[str, Any]

USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What Typer raises for all wrong arguments; it has no public name there."""
GRACE = 2
"""Seconds that a stop may take."""
BACKLOG = 65_535
"""Sockets that may wait to be accepted; the system has a bound of its own, and drops those beyond."""

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")]
ServerURL = Annotated[str, typer.Argument(help="Such as http://127.0.0.1:8000/faye", show_default=False)]
Token = Annotated[str | None, typer.Option(help="Shown to the server at the handshake.", show_default=False)]
Header = Annotated[
    list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="Sent with each request (may be repeated).")
]
DatabaseURL = Annotated[str, typer.Argument(help="Such as sqlite:///todos.db", show_default=False)]

cli = typer.Typer(
    name="livecollections",
    help="Collections that stay live: REST, a durable change log and Bayeux push.",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line."""
    try:
        raise SystemExit(cli(sys.argv[1:] or ["--help"], standalone_mode=False))
    except LiveError as error:
        fail(str(error))
    except typer.Abort:
        raise SystemExit(1) from None
    except Exception as error:
        if not isinstance(error, USAGE_ERROR):
            raise
        fail(error.format_message())


def fail(sentence: str) -> NoReturn:
    """Say what is wrong in one line, and leave with status 2."""
    print(f"livecollections: {' '.join(sentence.split())}", file=sys.stderr)
    raise SystemExit(2)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"livecollections {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@cli.command()
def demo(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    database: Annotated[str, typer.Option(help="The database's URL.")] = "sqlite:///todos.db",
) -> None:
    """Serve TodoMVC over live collections, with its page at /."""
    from .demo import create_app

    serve(create_app(database), host, port)


@cli.command()
def run(
    target: Annotated[str, typer.Argument(metavar="MODULE:ATTR", help="An ASGI application or a Live.")],
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, help="The number of processes.")] = 1,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when a source file changes.")] = False,
) -> None:
    """Serve an application of yours."""
    path, app = load(target)
    if workers > 1 and reload:
        fail("--workers and --reload exclude each other")
    if workers > 1:
        rehearse(app, workers)
    if workers > 1 or reload:
        supervise(path, app, host, port, workers, reload)
    else:
        serve(app, host, port, access_log=True)


@cli.command("serve")
def serve_database(
    database_url: DatabaseURL,
    table: Annotated[list[str] | None, typer.Option(help="A table to serve (may be repeated).")] = None,
    all_tables: Annotated[bool, typer.Option("--all-tables", help="Serve all that can be.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Let documents be written, too.")] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE.COLUMN", help="Show a column that is named like a secret (may be repeated)."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="TABLE.COLUMN", help="Leave a column out (may be repeated).")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Install what is missing, and do not ask.")
    ] = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Annotated[
        str | None, typer.Option(envvar="LIVECOLLECTIONS_TOKEN", help="Asked of whoever comes in.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Let others in without a token, beyond loopback.")
    ] = False,
) -> None:
    """Serve tables of a database that exists, with no code: REST, push, /docs and /live."""
    from .gate import Gate, Token, is_loopback
    from .sidecar import Sidecar
    from .stores.administrations import administration_of
    from .stores.choice import open_store
    from .survey import Survey, Wishes, told

    if bool(table) == all_tables:
        fail("name what is to be served: --table NAME, which may be repeated, or --all-tables")
    is_local = token is None and not public
    if is_local and not is_loopback(host):
        fail(f"{host} is beyond loopback: say who may come in, by --token or by --public")
    asked = None if token is None else Token(token)
    administration = administration_of(database_url)
    survey = Survey(administration, open_store(database_url))
    wishes = Wishes(table or (), include or (), exclude or (), write)
    choice = asyncio.run(survey.choose(wishes))
    print(*told(administration.database, choice), sep="\n", flush=True)
    if choice.plan.additions and not yes:
        agree("Install that?", "nothing was installed: --yes says that it may be")
    sidecar = Sidecar(database_url, administration, survey, choice, wishes, asked)
    serve(Gate(sidecar, asked, is_local), host, port)


@cli.command()
def install(
    database_url: DatabaseURL,
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements and run none.")] = False,
    table: Annotated[
        list[str] | None, typer.Option(help="A table to capture (may be repeated); all, if none is named.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE.COLUMN", help="A column that the log must not keep (may be repeated)."),
    ] = None,
) -> None:
    """Install the change log and its triggers."""
    from .stores.administrations import administration_of

    administration = administration_of(database_url)
    if sql:
        print(asyncio.run(administration.plan(table or [], exclude or [])).script)
    elif asyncio.run(administration.install(table or [], exclude or [])):
        print("installed")
    else:
        print("nothing to do: it is installed already")


@cli.command()
def uninstall(
    database_url: DatabaseURL,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove every trace of livecollections from a database: triggers, and the log with all its changes."""
    from .stores.administrations import administration_of

    administration = administration_of(database_url)
    if not yes:
        question = f"Remove the change log and all triggers from {administration.database}?"
        agree(question, "nothing was removed: --yes says that it may be")
    asyncio.run(administration.uninstall())
    print("removed")


@cli.command()
def new_epoch(database_url: DatabaseURL) -> None:
    """Begin a new epoch of the log, after a restore from a backup: every receiver then reads again."""
    from .stores.administrations import administration_of

    print(asyncio.run(administration_of(database_url).new_epoch()))


def agree(question: str, otherwise: str) -> None:
    """Ask; without a yes say what that means, and leave with status 1."""
    try:
        is_agreed = typer.confirm(question)
    except typer.Abort:
        # Nobody is there who could answer.
        is_agreed = False
        print(file=sys.stderr)
    if not is_agreed:
        print(f"livecollections: {otherwise}", file=sys.stderr)
        raise SystemExit(1)


@cli.command()
def openapi(
    target: Annotated[str, typer.Argument(metavar="MODULE:ATTR", help="An ASGI application or a Live.")],
    release: Annotated[
        str | None,
        typer.Option(metavar="RANGE", help="A release of the API; the newest, if none is named."),
    ] = None,
) -> None:
    """Print the OpenAPI document of an application; no database is opened."""
    _, app = load(target)
    lives = list(lives_of(app))
    if not lives:
        fail(f"{target} serves no Live")
    # FastAPI's own document has our resources in it.
    described = app.openapi() if hasattr(app, "openapi") and release is None else lives[0]._openapi(release)
    print(json.dumps(described, indent=2))


@cli.command()
def tail(
    url: ServerURL,
    channels: Annotated[list[str], typer.Argument(metavar="CHANNEL...", help="Names or patterns: /chat/*")],
    since: Annotated[
        list[str] | None,
        typer.Option(metavar="SEQ", help="Begin after this seq; CHANNEL=SEQ for one of several channels."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for pipes.")] = False,
    token: Token = None,
    header: Header = None,
) -> None:
    """Show what is published on channels of a Bayeux server."""
    from . import terminal

    screen = terminal.Pipe() if as_json else terminal.Screen()
    positions = terminal.read_since(channels, since or [], fail)
    headers = terminal.read_headers(header or [], fail)
    attend(terminal.tail(url, channels, positions, screen, fail, token=token, headers=headers))


@cli.command()
def publish(
    url: ServerURL,
    channel: Annotated[str, typer.Argument(help="Such as /chat/1", show_default=False)],
    data: Annotated[str, typer.Argument(metavar="JSON", help="The message; - reads it from stdin.")],
    token: Token = None,
    header: Header = None,
) -> None:
    """Publish a message on a channel of a Bayeux server."""
    from . import terminal

    text = sys.stdin.read() if data == "-" else data
    try:
        message = json.loads(text)
    except ValueError as error:
        fail(f"this is not JSON: {error}")
    headers = terminal.read_headers(header or [], fail)
    attend(terminal.publish(url, channel, message, token=token, headers=headers))


def attend(work: Coroutine[Any, Any, None]) -> None:
    """Run until the end, Ctrl-C, or the end of who reads."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Nothing more is to be flushed at exit, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def load(target: str) -> tuple[str, Any]:
    """The application that MODULE:ATTR names, and the path by which another process finds it too."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        fail(f"{target} is not of the form MODULE:ATTR, such as shop:app")
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        fail(f"there is no module {error.name} in {os.getcwd()} or among the installed ones")
    for part in attribute.split("."):
        if not hasattr(found, part):
            fail(f"module {module_name} has no attribute {attribute}")
        found = getattr(found, part)
    if is_live(found):
        return f"{target}.app", found.app
    if not callable(found):
        fail(f"{target} is a {type(found).__name__}: neither an ASGI application nor a Live")
    return target, found


def rehearse(app: Any, workers: int) -> None:
    """Find out, before there are workers, what would stop each of them."""
    from . import live

    for found in lives_of(app):
        asyncio.run(live.rehearse(found, workers))


def lives_of(app: Any) -> Iterator[Live]:
    """Each Live that an application serves."""
    from .application import LiveRoute
    from .lifespan import Wrapped
    from .live import Live

    for part in (app, *getattr(app, "routes", ())):
        if isinstance(part, LiveRoute | Wrapped) and isinstance(part.live, Live):
            yield part.live


def is_live(found: Any) -> bool:
    """Whether it is a Live, of which the application is an attribute."""
    from .live import Live

    return isinstance(found, Live)


class Announced:
    """An application whose start is watched: its address is printed when it is up, its error is kept.

    An error of ours at start is for ``fail``: the server sees it as a quiet stop.
    """

    def __init__(self, app: Any, address: str) -> None:
        self.app = app
        self.address = address
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
                print(self.address, flush=True)

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


def serve(app: Any, host: str, port: int, access_log: bool = False) -> None:
    """Serve until a signal comes."""
    import uvicorn

    listening = listen(host, port)
    announced = Announced(app, address_of(listening))
    warn_if_open(host, app)
    settings = uvicorn_settings(access_log=access_log, log_level="info" if access_log else "warning")
    server = uvicorn.Server(uvicorn.Config(announced, **settings))

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


def supervise(path: str, app: Any, host: str, port: int, workers: int, reload: bool) -> None:
    """Serve in several processes, or in one that is started again when a source file changes."""
    import uvicorn
    from uvicorn.supervisors import ChangeReload, Multiprocess

    listening = listen(host, port)
    warn_if_open(host, app)
    print(address_of(listening), flush=True)
    config = uvicorn.Config(path, workers=workers, reload=reload, **uvicorn_settings())
    if reload:
        ChangeReload(config, target=uvicorn.Server(config).run, sockets=[listening]).run()
    else:
        Multiprocess(config, sockets=[listening]).run()


def uvicorn_settings(**others: Any) -> dict[str, Any]:
    """How uvicorn is run: on its fast parts, and stopping soon."""
    return {
        "loop": "auto",
        "http": "httptools",
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
    sentence = (
        f"listening beyond loopback without authentication: whoever reaches {host} may do all that it offers"
    )
    print(f"livecollections: {sentence}", file=sys.stderr)
