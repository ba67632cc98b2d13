"""What all suites share: a certificate, a home for what programs keep, how Hypothesis draws, what is done once for all.

Hypothesis draws the same examples each time in ``make test``, others in ``make test-all``.
A busy machine is no fault of the product: no example has a deadline, and drawing slowly is no failure.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from .scale import FULL, is_drawn, leave_out

settings.register_profile(
    "live", deadline=None, derandomize=not FULL, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("live")


UNCLOSED = r"ignore:Exception ignored in. <socket\.socket .*proto=6:pytest.PytestUnraisableExceptionWarning"
"""What Python says of a TCP socket that nobody has closed, and that no transport of a loop held yet."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let PyMongo leave a socket, as it does where a client is closed while its monitor connects (PYTHON-5867).

    In a small run a server's store has half of what is asked of every store, SQLite's has all.
    """
    for item in items:
        if "mongo" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings(UNCLOSED))
    leave_out(config, items, lambda item: _is_of_every_store(item) and not is_drawn(item.nodeid, 2))


def _is_of_every_store(item: pytest.Item) -> bool:
    asked = getattr(getattr(item, "function", None), "__module__", "")
    return asked.startswith("livecollections.testing.stores.") and "::TestSQLite::" not in item.nodeid


@pytest.fixture(autouse=True)
def answers_with_their_seq(request: pytest.FixtureRequest) -> Iterator[None]:
    """On MongoDB an answer waits 2 s for its seq, then goes without: here it has it, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patient:
        if "mongo" in request.node.nodeid:
            patient.setattr("livecollections.stores.mongo_write.TOLD", 30.0)
        yield


def pytest_collection_finish() -> None:
    """Read certificates once, not for each client; look for no garbage in what is imported by now: it stays."""
    if (transports := sys.modules.get("httpx._transports.default")) is not None:
        vars(transports)["create_ssl_context"] = lru_cache(maxsize=4)(vars(transports)["create_ssl_context"])
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def home_of_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where the programs that tests start keep what they keep: nothing of it is the developer's own."""
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))
    yield
    if before is None:
        del os.environ["XDG_CONFIG_HOME"]
    else:
        os.environ["XDG_CONFIG_HOME"] = before


@pytest.fixture
def certified(tmp_path: Path) -> dict[str, Path]:
    """A key, and a certificate that nobody but itself vouches for, as uvicorn's options."""
    made = {"ssl_keyfile": tmp_path / "key.pem", "ssl_certfile": tmp_path / "certificate.pem"}
    names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    key = ("-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    files = ("-keyout", made["ssl_keyfile"], "-out", made["ssl_certfile"])
    command = ("openssl", "req", "-x509", *key, *names, *files)
    subprocess.run(command, capture_output=True, timeout=20, check=True)
    return made
