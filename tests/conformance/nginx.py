"""Debian's nginx in front of a host, with the file that the documentation shows.

It runs in the foreground as whoever tests, on a port of loopback, and writes into a folder of the test's alone.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.ports import free_port

from ..command import ROOT, command
from .hosts import Host, Running, running, wait_served

PAGE = ROOT / "docs" / "deploy.md"
AROUND = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr error;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{documented}
}}
"""


def documented(urls: Sequence[str]) -> str:
    """The nginx file of the page, its upstream that of one or of two processes."""
    whole, two = re.findall(r"```nginx\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    text: str = whole if len(urls) == 1 else re.sub(r"upstream app {.*?\n}\n", two, whole, flags=re.S)
    for number, url in enumerate(urls):
        text = swap(text, f"server 127.0.0.1:{8000 + number};", f"server {url.removeprefix('http://')};")
    return text


def swap(text: str, old: str, new: str) -> str:
    """What the page says, made fit for a test."""
    assert text.count(old) == 1, f"{old} is what {PAGE.name} says"
    return text.replace(old, new)


@contextmanager
def nginx(urls: Sequence[str], folder: Path, patience: str = "75s") -> Iterator[str]:
    """Serve other addresses through nginx; gives its own.

    Args:
        urls: one, or two processes.
        patience: its ``proxy_read_timeout``.
    """
    port = free_port()
    text = swap(documented(urls), "listen 80;", f"listen 127.0.0.1:{port};")
    text = swap(text, "proxy_read_timeout 75s;", f"proxy_read_timeout {patience};")
    # A master that is root would have its workers be somebody who may not enter the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(AROUND.format(folder=folder, user=user, documented=text), "utf-8")
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert found is not None, "make setup-test installs it"
    arguments = ("-e", "stderr", "-p", str(folder), "-c", str(file))
    with command(*arguments, cwd=folder, program=Path(found)) as process:
        wait_served(process, port)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def reachable(host: Host, folder: Path) -> Iterator[Running]:
    """Start a host, with nginx in front if it is to stand there; ``url`` is where clients go."""
    with running(host) as served:
        if not host.is_behind:
            yield served
            return
        with nginx([served.url], folder) as url:
            yield replace(served, url=url)
