"""Debian's nginx in front of a host, with the file that the documentation shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..deploy.proxies import proxy
from .hosts import Host, Running, running


@contextmanager
def nginx(urls: Sequence[str], folder: Path, patience: float = 75) -> Iterator[str]:
    """Serve other addresses through nginx; gives its own.

    Args:
        urls: one, or two processes.
        patience: seconds after which it cuts what is idle.
    """
    with proxy("nginx", urls, folder, patience) as front:
        yield front.url


@contextmanager
def reachable(host: Host, folder: Path) -> Iterator[Running]:
    """Start a host, with nginx in front if it is to stand there; ``url`` is where clients go."""
    with running(host) as served:
        if not host.is_behind:
            yield served
            return
        with nginx([served.url], folder) as url:
            yield replace(served, url=url)
