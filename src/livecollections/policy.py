"""Policy: who may do what with a resource, and which of its fields they see and set.

Three rules. What is not granted is refused, and so is what can't be decided: a rule that raises says no. A rule is
asked about a user alone, never about a row, so that all for whom the answers are alike share one view. Who may not list
does not hear either.

It knows no request and no session. Rules about single rows beyond ``partition.py``'s would be a condition of the view,
as the partition is.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from math import inf, isnan
from typing import Any

from .errors import ConfigurationError

logger = logging.getLogger("livecollections.policy")

ACTIONS = ("list", "read", "create", "update", "delete", "subscribe")
ALL = frozenset(ACTIONS)
OF_READERS = frozenset({"list", "read", "subscribe"})
"""What nobody may do with a resource that has no GET."""

Rule = bool | Callable[[Any], Any]
"""True: everybody; False: nobody; or a function of the user, who is None where nobody is known."""
Named = Collection[str] | Mapping[str, Rule]
"""Names of fields, for everybody; or each with the rule that says for whom."""


class Policy:
    """The rules of one resource.

    allowed: one rule for everything, or one for each action; an action that is not named is refused, but that
    ``subscribe`` is as ``list``.  hidden, read_only: fields, and for whom.
    """

    def __init__(self, allowed: Rule | Mapping[str, Rule], hidden: Named = (), read_only: Named = ()) -> None:
        self._allowed = allowed if isinstance(allowed, Mapping) else dict.fromkeys(ACTIONS, allowed)
        self._hidden = _rules(hidden)
        self._read_only = _rules(read_only)
        self._failed: set[str] = set()

    @property
    def is_open(self) -> bool:
        """Whether everybody may do everything, sees all, and sets the same."""
        rules = [self._of(action) for action in ACTIONS]
        return not self._hidden and not self._read_only and all(rule is True for rule in rules)

    @property
    def hideable(self) -> frozenset[str]:
        """All fields that somebody does not see."""
        return frozenset(self._hidden)

    @property
    def always_hidden(self) -> frozenset[str]:
        """The fields that nobody sees."""
        return frozenset(name for name, rule in self._hidden.items() if rule is True)

    def rights(self, user: Any) -> frozenset[str]:
        """The actions that a user may do."""
        found = {action for action in ACTIONS if self._says(self._of(action), user, action, otherwise=False)}
        return frozenset(found if "list" in found else found - {"subscribe"})

    def hidden(self, user: Any) -> frozenset[str]:
        """The fields that a user does not see."""
        return self._named(self._hidden, user, "hidden")

    def read_only(self, user: Any) -> frozenset[str]:
        """The fields that a user may not set."""
        return self._named(self._read_only, user, "read_only")

    def _of(self, action: str) -> Rule:
        return self._allowed.get(action, self._allowed.get("list", False) if action == "subscribe" else False)

    def _named(self, rules: Mapping[str, Rule], user: Any, option: str) -> frozenset[str]:
        return frozenset(
            name
            for name, rule in rules.items()
            if self._says(rule, user, f"{option}[{name!r}]", otherwise=True)
        )

    def _says(self, rule: Rule, user: Any, name: str, *, otherwise: bool) -> bool:
        if isinstance(rule, bool):
            return rule
        try:
            return bool(decided(rule(user)))
        except Exception:
            # Most often a rule that takes for granted that there is a user.
            level = logging.DEBUG if user is None or name in self._failed else logging.ERROR
            self._failed.add(name)
            logger.log(level, "the rule for %s failed: it counts as a refusal", name, exc_info=True)
            return otherwise


def check_allowed(option: str, value: Any) -> None:
    """Raise ConfigurationError unless it is a rule, or rules by actions."""
    rules = value if isinstance(value, Mapping) else {ACTIONS[0]: value}
    for action, rule in rules.items():
        if action not in ACTIONS:
            raise ConfigurationError(f"{option}: {action!r} is none of {', '.join(ACTIONS)}")
        check_rule(option, rule)


def check_named(option: str, value: Any) -> None:
    """Raise ConfigurationError unless it is names of fields, or rules by names."""
    if (
        isinstance(value, str)
        or not isinstance(value, Collection)
        or not all(isinstance(x, str) for x in value)
    ):
        raise ConfigurationError(f"{option}: a list of names is needed, or rules by names, not {value!r}")
    for rule in value.values() if isinstance(value, Mapping) else ():
        check_rule(option, rule)


def check_rule(option: str, rule: Any) -> None:
    """Raise ConfigurationError unless it is a rule."""
    if isinstance(rule, bool):
        return
    if not callable(rule):
        raise ConfigurationError(f"{option}: True, False or a function of the user is needed, not {rule!r}")
    check_plain(option, rule)


def check_plain(option: str, function: Any) -> None:
    """Raise ConfigurationError for a coroutine function: nobody awaits what it gives, and that counts as true."""
    for each in (function, type(function).__call__):
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            raise ConfigurationError(f"{option}: a plain function is needed, not the async {function!r}")


def decided(told: Any) -> Any:
    """What a function of the user told. Raises TypeError for what has to be awaited, and ends that."""
    if inspect.isawaitable(told) or inspect.isasyncgen(told):
        if inspect.iscoroutine(told):
            told.close()
        raise TypeError("a plain function is needed: what this one gives has to be awaited")
    return told


def _rules(named: Named) -> dict[str, Rule]:
    return dict(named) if isinstance(named, Mapping) else dict.fromkeys(named, True)


def expiry(user: Any) -> float | None:
    """When a user's credential ends, in seconds since 1970: its ``expires_at``, or ``exp`` of a mapping (as a JWT's
    claims have it), which are seconds or a datetime, or a text of one; None: it does not say. What can't be read has
    ended."""
    try:
        told = user.get("exp") if isinstance(user, Mapping) else getattr(user, "expires_at", None)
        if told is None:
            return None
        ends = _seconds(told)
    except (ValueError, TypeError, OverflowError):
        return -inf
    except Exception:
        logger.exception("when a user's credential ends can't be told: it counts as ended")
        return -inf
    return -inf if isnan(ends) else ends


def _seconds(told: Any) -> float:
    """Raises ValueError, TypeError, OverflowError."""
    if isinstance(told, str):
        try:
            told = float(told)
        except ValueError:
            told = datetime.fromisoformat(told.strip())
    if isinstance(told, datetime):
        return (told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp()
    if isinstance(told, bool):
        raise TypeError("this is no time")
    return float(told)


def has_expired(user: Any, now: float) -> bool:
    """Whether a user's credential has ended. now: seconds since 1970."""
    ends = expiry(user)
    return ends is not None and ends <= now
