"""A port for a server that is about to start in a process of its own."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """A port of loopback on which nobody listens now.

    It is below those that the kernel hands to outgoing connections (32768 and above, RFC 6056 and Linux's
    ``ip_local_port_range``): one of these may be taken between now and the server's start.
    """
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
