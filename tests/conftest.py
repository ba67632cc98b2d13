"""How Hypothesis draws in all suites: the same examples each time in ``make test``, others in ``make test-all``.

A busy machine is no fault of the product: no example has a deadline, and drawing slowly is no failure.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from .scale import FULL

settings.register_profile(
    "live", deadline=None, derandomize=not FULL, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("live")
