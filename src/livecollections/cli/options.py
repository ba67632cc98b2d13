"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from .logs import Level

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")]
LogLevel = Annotated[Level, typer.Option(help="How much is told on stderr.")]
LogJSON = Annotated[bool, typer.Option("--log-json", help="Tell it as one JSON object a line.")]
Metrics = Annotated[bool, typer.Option("--metrics", help="Serve figures for Prometheus at /live/metrics.")]
Inspector = Annotated[
    bool,
    typer.Option(
        "--inspector/--no-inspector",
        help="On loopback, open /live to who has the link that is printed. Not for production.",
    ),
]
ServerURL = Annotated[str, typer.Argument(help="Such as http://127.0.0.1:8000/faye", show_default=False)]
Token = Annotated[str | None, typer.Option(help="Shown to the server at the handshake.", show_default=False)]
Header = Annotated[
    list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="Sent with each request (may be repeated).")
]
DatabaseURL = Annotated[str, typer.Argument(help="Such as sqlite:///todos.db", show_default=False)]
