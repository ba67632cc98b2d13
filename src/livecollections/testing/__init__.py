"""What the library tests itself with, for tests of applications and stores of yours.

Once the package is installed, pytest has the fixtures ``live_site``, ``live_client``, ``live_proxy`` and ``live_clock``
(``plugin.py``). The names below are for use without them, and in fixtures of your own; all are lazy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clock import Clock
    from .proxy import FaultProxy, Traffic
    from .site import Site
    from .site_proxy import SiteProxy
    from .stores.conformance import StoreConformance
    from .stores.rig import StoreRig
    from .waiting import wait_until, wait_until_sync

_HOMES = {
    "Clock": "clock",
    "FaultProxy": "proxy",
    "Site": "site",
    "SiteProxy": "site_proxy",
    "StoreConformance": "stores.conformance",
    "StoreRig": "stores.rig",
    "Traffic": "proxy",
    "wait_until": "waiting",
    "wait_until_sync": "waiting",
}

__all__ = [
    "Clock",
    "FaultProxy",
    "Site",
    "SiteProxy",
    "StoreConformance",
    "StoreRig",
    "Traffic",
    "wait_until",
    "wait_until_sync",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
