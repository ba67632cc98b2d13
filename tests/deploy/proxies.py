"""Debian's nginx, Caddy and HAProxy in front of processes, each with the file that the documentation shows.

Each runs in the foreground as whoever tests, on a port of loopback, and writes into a folder of the test's alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from livecollections.testing.waiting import wait_until_sync

from ..command import ROOT, Command, command
from ..conformance.hosts import wait_served
from ..ports import free_port

FILES = ROOT / "examples" / "deploy"
"""What users copy."""
PROXIES = ("nginx", "caddy", "haproxy")

AROUND_NGINX = """
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


@dataclass(frozen=True, slots=True)
class Proxy:
    """One that runs. url: its own address.  reload: has it read its file again, and returns when it has."""

    url: str
    process: Command
    reload: Callable[[], None]


@contextmanager
def proxy(name: str, urls: Sequence[str], folder: Path, patience: float = 75) -> Iterator[Proxy]:
    """Serve other addresses through a proxy.

    Args:
        urls: of one or of two processes.
        patience: seconds after which it cuts what is idle.
    """
    folder.mkdir(exist_ok=True)
    with STARTS[name](urls, folder, patience) as running:
        yield running


def swap(text: str, old: str, new: str) -> str:
    """What a file says, made fit for a test."""
    assert text.count(old) == 1, f"{old} is what the file says"
    return text.replace(old, new)


def program(name: str) -> Path:
    """Where Debian has it."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert found is not None, "make setup-test installs it"
    return Path(found)


def hosts(urls: Sequence[str]) -> list[str]:
    return [url.removeprefix("http://") for url in urls]


@contextmanager
def _nginx(urls: Sequence[str], folder: Path, patience: float) -> Iterator[Proxy]:
    port = free_port()
    text = (FILES / "nginx.conf").read_text("utf-8")
    servers = "".join(f"    server {host} max_fails=0;\n" for host in hosts(urls))
    text = swap(text, "".join(re.findall(r"    server 127.*\n", text)), servers)
    text = swap(text, "listen 80;", f"listen 127.0.0.1:{port};")
    text = swap(text, "proxy_read_timeout 75s;", f"proxy_read_timeout {patience:g}s;")
    # A master that is root would have its workers be somebody who may not enter the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(AROUND_NGINX.format(folder=folder, user=user, documented=text), "utf-8")
    arguments = ("-e", "stderr", "-p", str(folder), "-c", str(file))
    with _running("nginx", arguments, folder, port, signal.SIGHUP) as running:
        yield running


@contextmanager
def _haproxy(urls: Sequence[str], folder: Path, patience: float) -> Iterator[Proxy]:
    port = free_port()
    one, two = hosts(urls)
    env = {"BIND": f"127.0.0.1:{port}", "APP_ONE": one, "APP_TWO": two, "PROXY_PATIENCE": f"{patience:g}"}
    arguments = ("-W", "-f", str(FILES / "haproxy.cfg"))
    with _running("haproxy", arguments, folder, port, signal.SIGUSR2, env) as running:
        yield running


@contextmanager
def _running(
    name: str,
    arguments: tuple[str, ...],
    folder: Path,
    port: int,
    reloads: signal.Signals,
    env: Mapping[str, str] | None = None,
) -> Iterator[Proxy]:
    """A master that starts another worker at a signal, while the one before serves to its end."""
    with command(*arguments, cwd=folder, env=env, program=program(name)) as process:
        wait_served(process, port)

        def reload() -> None:
            before = workers()
            process.process.send_signal(reloads)
            wait_until_sync(lambda: workers() - before != set())

        def workers() -> set[int]:
            return {child.pid for child in psutil.Process(process.process.pid).children()}

        yield Proxy(f"http://127.0.0.1:{port}", process, reload)


@contextmanager
def _caddy(urls: Sequence[str], folder: Path, patience: float) -> Iterator[Proxy]:
    port = free_port()
    env = {"SITE": f":{port}", "APPS": " ".join(hosts(urls)), "PROXY_PATIENCE": f"{patience:g}"}
    env |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    # Where it is told to read its file again; as shipped that is a port, which another test may have.
    file = folder / "Caddyfile"
    file.write_text(f"{{\n\tadmin unix/{folder}/admin.sock\n}}\nimport {FILES / 'Caddyfile'}\n", "utf-8")
    arguments = ("--config", str(file), "--adapter", "caddyfile")

    def reload() -> None:
        # It would not look at a file that is what it was.
        again = [str(program("caddy")), "reload", "--force", *arguments]
        run = subprocess.run(
            again, env={**os.environ, **env}, capture_output=True, text=True, timeout=20, check=False
        )
        assert run.returncode == 0, run.stderr

    with command("run", *arguments, cwd=folder, env=env, program=program("caddy")) as process:
        wait_served(process, port)
        yield Proxy(f"http://127.0.0.1:{port}", process, reload)


STARTS = {"nginx": _nginx, "caddy": _caddy, "haproxy": _haproxy}
