"""Metrics: the figures of a Live as Prometheus and OpenMetrics write them, by ``prometheus_client``.

Two rules. Each figure is one of LiveStatistics; a scrape reads one moment, and costs the database nothing. What is
counted since the start is a counter, all else a gauge.

``prometheus_client`` is imported where somebody asks for metrics, and nowhere else. It knows no route.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .statistics import LiveStatistics, Problem
from .stores.log_state import LogState
from .version import __version__

if TYPE_CHECKING:
    from prometheus_client.core import Metric

PREFIX = "livecollections_"

Labelled = Callable[[LiveStatistics], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric. name: without the prefix.  help: its line of help.  is_counter: else it is a gauge.
    label: what its values are told apart by, where there are several; ``values`` gives them by that."""

    name: str
    help: str
    values: Labelled
    label: str = ""
    is_counter: bool = False


def _one(value: Callable[[LiveStatistics], float | None]) -> Labelled:
    def values(told: LiveStatistics) -> Mapping[str, float]:
        found = value(told)
        return {} if found is None else {"": found}

    return values


def _server(name: str) -> Labelled:
    return _one(lambda told: float(getattr(told.bayeux, name)))


def _log(value: Callable[[LogState], float | None]) -> Labelled:
    return _one(lambda told: None if told.log is None else value(told.log))


FIGURES = (
    Figure("info", "The version that runs.", lambda told: {__version__: 1}, "version"),
    Figure("healthy", "1 where /live/health answers 200.", _one(lambda told: not told.problems)),
    Figure(
        "problem",
        "1 for each thing that is wrong, as /live/health names it.",
        lambda told: {each.value: each in told.problems for each in Problem},
        "problem",
    ),
    Figure("uptime_seconds", "Since the start.", _one(lambda told: told.uptime)),
    Figure("database_silence_seconds", "Since the database answered.", _one(lambda told: told.silence)),
    Figure(
        "lag_changes", "Changes in the log that wait to be published.", _one(lambda told: told.lag_changes)
    ),
    Figure("lag_seconds", "For how long the first of them has waited.", _one(lambda told: told.lag_seconds)),
    Figure("changes", "Changes published.", lambda told: told.changes, "resource", is_counter=True),
    Figure("log_rows_read", "Entries of the log read.", _one(lambda told: told.rows_read), is_counter=True),
    Figure("kept_bytes", "Kept of what was published lately.", _one(lambda told: told.kept_bytes)),
    Figure("log_entries", "Changes in the log.", _log(lambda log: log.entries)),
    Figure("log_bytes", "What they take in the database.", _log(lambda log: log.bytes)),
    Figure("log_age_seconds", "How far back the log goes.", _log(lambda log: log.age)),
    Figure(
        "gap_seconds",
        "For how long places of PostgreSQL's log have been open that a transaction holds.",
        _log(lambda log: log.gap.seconds if log.gap else 0),
    ),
    Figure(
        "gap_holders",
        "The transactions that hold them.",
        _log(lambda log: len(log.gap.holders) if log.gap else 0),
    ),
    Figure("uncaptured", "Tables whose changes are not captured.", _log(lambda log: len(log.missing))),
    Figure("sessions", "Sessions of clients.", lambda told: told.bayeux.sessions, "transport"),
    Figure("subscriptions", "Of all sessions.", _server("subscriptions")),
    Figure("channels", "Channels and patterns that somebody subscribed to.", _server("channels")),
    Figure("queued_messages", "Messages that wait for clients.", _server("queued")),
    Figure("queued_bytes", "Their size.", _server("queued_bytes")),
    Figure("buffered_bytes", "Handed to sockets, and not gone yet.", _server("buffered_bytes")),
    Figure("stopped_sessions", "Clients that take nothing of what is being written.", _server("stopped")),
    Figure("replays", "Clients that are being told what they missed.", _server("replays")),
    Figure("handshakes", "Sessions begun.", _server("handshakes"), is_counter=True),
    Figure("refused", "Handshakes refused.", _server("refused"), is_counter=True),
    Figure("paced", "Clients told to come later.", _server("paced"), is_counter=True),
    Figure("expired", "Sessions not heard of in time.", _server("expired"), is_counter=True),
    Figure("overflown", "Sessions ended that took too little.", _server("overflown"), is_counter=True),
    Figure("kicked", "Sessions ended by the program.", _server("kicked"), is_counter=True),
    Figure("published", "Messages published.", _server("published"), is_counter=True),
    Figure("delivered", "Receivers that they went to.", _server("delivered"), is_counter=True),
    Figure(
        "resets",
        "Times that a client was told to read again.",
        lambda told: {cause.value: count for cause, count in told.bayeux.resets.items()},
        "cause",
        is_counter=True,
    ),
)


def require_client() -> None:
    """Raise ConfigurationError where ``prometheus_client`` is not installed."""
    if find_spec("prometheus_client") is None:
        raise ConfigurationError('metrics: run pip install "livecollections[metrics]"')


def exposition(told: LiveStatistics, accept: str) -> tuple[bytes, str]:
    """The figures, and their content type, in the format that an ``Accept`` header asks for."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    registry.register(_Collector(told))
    ProcessCollector(registry=registry)
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


class _Collector:
    def __init__(self, told: LiveStatistics) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for figure in FIGURES:
            family: Any = CounterMetricFamily if figure.is_counter else GaugeMetricFamily
            labels = [figure.label] if figure.label else []
            metric = family(f"{PREFIX}{figure.name}", figure.help, labels=labels)
            for name, value in figure.values(self._told).items():
                metric.add_metric([name] if figure.label else [], float(value))
            yield metric
