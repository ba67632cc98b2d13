"""The Bayeux server that ``bench.fanout`` measures: everything open, nothing else."""

from __future__ import annotations

from livecollections.bayeux import Policy, Server

app = Server(timeout=60, ping=None, policy=Policy(subscribe=["/**"], publish=["/**"]))
