"""gunicorn -c gunicorn_conf.py shop:app"""

from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker


class Worker(UvicornWorker):
    """uvicorn, as `livecollections run` has it: frames go straight to the socket, and a stop is soon over."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        **UvicornWorker.CONFIG_KWARGS,
        "ws": "livecollections.bayeux.transports.direct:DirectProtocol",
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": 2,
    }


bind = "127.0.0.1:8000"
worker_class = Worker
# More of them share one port, and no proxy can keep a client with one.
workers = 1
keepalive = 5
graceful_timeout = 5
# Two of them on one machine would want one file for it.
control_socket_disable = True
