"""Versions: which resources each release of an API has, and which release a client means.

Three rules. A client's range, as npm writes ranges, means the highest release in it; none means the newest that
is stable. At each path a release has one resource at most, and a path that two releases have is in all between them.
That release hears on the path's own channel, each resource of others on one below it.

This module knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from semantic_version import NpmSpec, Version

from .bayeux.channel import escape
from .errors import ConfigurationError, MalformedRequest
from .resource import Resource

ALL = "*"


class Releases:
    """The releases of an API. Raises ConfigurationError for one that is no semantic version, or is named twice."""

    def __init__(self, names: Iterable[str]) -> None:
        if isinstance(names, str):
            raise ConfigurationError(f"releases: a list such as ['1.0.0', '2.0.0'] is needed, not {names!r}")
        self._versions = sorted(map(_release, names))
        for one, next_one in zip(self._versions, self._versions[1:], strict=False):
            if one == next_one:
                raise ConfigurationError(f"releases: {one} is named twice")
        self.names = tuple(map(str, self._versions))
        """From the oldest to the newest."""
        stable = [str(version) for version in self._versions if not version.prerelease]
        self.default = ([""] + (stable or list(self.names)))[-1]
        """The newest stable one; the newest of all where none is stable; empty where there is none at all."""

    def __bool__(self) -> bool:
        return bool(self.names)

    def choose(self, asked: str | None) -> str:
        """The highest release in a range; the default where none is asked. Raises MalformedRequest."""
        if asked is None or not self:
            return self.default
        if asked in self.names:  # NpmSpec takes 1.0.0-a for 1.0.0 as well
            return asked
        spec = _asked(asked)
        found = spec.select(self._versions) if spec else None
        if found is None:
            told = "no release is in this range" if spec else "this is no range of semantic versions"
            raise MalformedRequest(f"API-Version: {told}; there are {', '.join(self.names)}")
        return str(found)

    def having(self, resource: Resource) -> list[str]:
        """The releases that a resource is part of."""
        if resource.versions == ALL:  # which as a range would leave out those before a release
            return list(self.names)
        if resource.versions in self.names:
            return [resource.versions]
        spec = NpmSpec(resource.versions)
        return [str(version) for version in self._versions if version in spec]

    def has(self, resource: Resource, asked: str | None = None) -> bool:
        """Whether a resource is part of the highest release in a range, or of the default one.

        Raises MalformedRequest.
        """
        return not self or self.choose(asked) in self.having(resource)

    def assigned(self, resources: Sequence[Resource]) -> list[Resource]:
        """The resources, those of other releases with channels of their own, the newest first.

        Raises ConfigurationError for ranges that overlap, leave a gap or hold no release, and for an empty release.
        """
        if not self:
            for resource in resources:
                if resource.versions != ALL:
                    raise ConfigurationError(
                        f"versions: {resource.path} is in {resource.versions!r}, but the Live has no releases"
                    )
            return list(resources)
        for path in dict.fromkeys(resource.path for resource in resources):
            self._check(path, [resource for resource in resources if resource.path == path])
        for name in self.names:
            if resources and not any(name in self.having(resource) for resource in resources):
                raise ConfigurationError(f"releases: there is no resource in release {name}")
        newest_first = sorted(resources, key=lambda one: self.names.index(self.having(one)[-1]), reverse=True)
        return [self._with_channel(resource) for resource in newest_first]

    def _check(self, path: str, versions: Sequence[Resource]) -> None:
        for resource in versions:
            if not self.having(resource):
                raise ConfigurationError(f"versions: {path}: no release is in {resource.versions!r}")
        owners = [[one.versions for one in versions if name in self.having(one)] for name in self.names]
        for name, found in zip(self.names, owners, strict=True):
            if len(found) > 1:
                told = " and ".join(map(repr, found))
                raise ConfigurationError(f"versions: {path}: release {name} is in {told}")
        held = [place for place, found in enumerate(owners) if found]
        for place in range(held[0], held[-1]):
            if not owners[place]:
                raise ConfigurationError(f"versions: {path}: release {self.names[place]} is in none")

    def _with_channel(self, resource: Resource) -> Resource:
        having = self.having(resource)
        if self.default in having:
            return resource
        return replace(resource, channel=f"{resource.channel}/~version/{escape(having[-1])}")


def check_range(option: str, value: object) -> None:
    """Raise ConfigurationError unless it is a range of semantic versions."""
    if not isinstance(value, str) or _asked(value) is None:
        raise ConfigurationError(f'{option}: a range such as "<2" or "^1.2" is needed, not {value!r}')


@lru_cache(maxsize=256)
def _asked(text: str) -> NpmSpec | None:
    try:
        return NpmSpec(text) if len(text) <= 100 else None
    except ValueError:
        return None


def _release(name: str) -> Version:
    try:
        return Version(name)
    except (TypeError, ValueError):
        raise ConfigurationError(f"releases: {name!r} is no semantic version such as '1.0.0'") from None
