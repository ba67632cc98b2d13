"""What the program tells on stderr while it serves: lines to read, or one JSON object a line.

Three rules. The library configures no logging, this does, for its own loggers and uvicorn's, and for what nobody else
tells. What an application configures when it is imported comes later, and stands. uvicorn says no more than at "info":
below that it tells what is in frames.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

from . import hooks

REQUEST = 5
"""What uvicorn tells of a request: client, method, path, version of HTTP, status."""
logger = logging.getLogger("livecollections.cli")
"""What the program has to say itself."""
_CLIENT_ID = re.compile(r"[0-9a-f]{34,}(?=[0-9a-f]{6}\b)")
_PARAMETER = re.compile(r"[^&;]+")
_NOT_EXTRAS = {*vars(logging.makeLogRecord({})), "asctime", "color_message", "message", "taskName"}


class Level(StrEnum):
    """How much is told."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def of_uvicorn(self) -> Level:
        """The same for uvicorn."""
        return Level.INFO if self is Level.DEBUG else self

    @property
    def of_others(self) -> Level:
        """The same for those who configure nothing."""
        return Level.ERROR if self is Level.ERROR else Level.WARNING

    @property
    def tells_requests(self) -> bool:
        """Whether each request is told."""
        return self in (Level.DEBUG, Level.INFO)


class Sparing(logging.Filter):
    """Leaves out of the lines on requests what browsers can only say in a URL: a JSONP message, which may bear a token,
    the key of the inspector, and of a clientId all but the end.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Take it out."""
        if record.name == "uvicorn.access" and isinstance(record.args, tuple) and len(record.args) == REQUEST:
            client, method, path, *rest = record.args
            path, _, query = str(path).partition("?")
            if any(_name(each) == "message" for each in _PARAMETER.findall(query)):
                query = "message=…"
            elif "/live" in path.lower():
                query = _PARAMETER.sub(lambda each: "key=…" if _name(each[0]) == "key" else each[0], query)
            told = _CLIENT_ID.sub("…", path) + (query and f"?{query}")
            record.args = (client, method, told, *rest)
        return True


def _name(parameter: str) -> str:
    """Of a parameter in a URL, however it is written."""
    return unquote_plus(parameter).partition("=")[0].strip().lower()


class Lines(logging.Formatter):
    """Lines to read: time, level, logger, message."""

    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname:<7} {name}: {message}", style="{")


class Objects(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the exception, and each extra by its name."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as an object."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _NOT_EXTRAS},
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str, ensure_ascii=False)


def configuration(level: Level, as_json: bool) -> dict[str, Any]:
    """What ``logging.config.dictConfig`` takes."""
    levels = {"livecollections": level, "uvicorn": level.of_uvicorn}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"told": {"()": Objects if as_json else Lines}},
        "filters": {"sparing": {"()": Sparing}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "told", "filters": ["sparing"]}
        },
        "loggers": {
            name: {"level": level.upper(), "handlers": ["stderr"], "propagate": False}
            for name, level in levels.items()
        },
    }


def configure(level: Level, as_json: bool) -> None:
    """Have this process tell so."""
    import logging.config

    logging.config.dictConfig(configuration(level, as_json))
    rest = logging.StreamHandler()
    rest.setFormatter(Objects() if as_json else Lines())
    rest.setLevel(level.of_others.upper())
    hooks.install(rest)


def is_json() -> bool:
    """Whether this process has been told to tell objects."""
    return any(isinstance(each.formatter, Objects) for each in logging.getLogger("livecollections").handlers)
