"""The commands for any Bayeux server: show what is published, publish a message."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from .keyboard import attend, fail
from .options import Header, ServerURL, Token


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
    from .. import terminal

    screen = terminal.Pipe() if as_json else terminal.Screen()
    positions = terminal.read_since(channels, since or [], fail)
    headers = terminal.read_headers(header or [], fail)
    attend(terminal.tail(url, channels, positions, screen, fail, token=token, headers=headers))


def publish(
    url: ServerURL,
    channel: Annotated[str, typer.Argument(help="Such as /chat/1", show_default=False)],
    data: Annotated[str, typer.Argument(metavar="JSON", help="The message; - reads it from stdin.")],
    token: Token = None,
    header: Header = None,
) -> None:
    """Publish a message on a channel of a Bayeux server."""
    from .. import terminal

    text = sys.stdin.read() if data == "-" else data
    try:
        message = json.loads(text)
    except ValueError as error:
        fail(f"this is not JSON: {error}")
    headers = terminal.read_headers(header or [], fail)
    attend(terminal.publish(url, channel, message, token=token, headers=headers))
