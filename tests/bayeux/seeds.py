"""Random histories, one after the other; a failure names its seed. In every other one frames go straight to sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from .wire import Socket


async def run_seeds(
    run: Callable[[int, Counter[str]], Awaitable[None]], part: int, count: int, least: int
) -> None:
    """Run the histories of a part; fail too if something happened less than ``least`` times in all of them."""
    happened: Counter[str] = Counter()
    for seed in range(10_000 * part, 10_000 * part + count):
        Socket.is_direct = bool(seed % 2)
        try:
            await run(seed, happened)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
    print(dict(happened))
    rare = [name for name, times in happened.items() if times < least]
    assert not rare, "the generator hardly does this"
