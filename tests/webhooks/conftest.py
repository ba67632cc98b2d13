"""Waits that are as short as a test."""

from __future__ import annotations

import pytest

from livecollections import webhooks


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(webhooks, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(webhooks, "LONGEST_WAIT", 0.05)
