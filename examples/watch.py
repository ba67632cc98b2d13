"""A program that holds a list as it is on the server, and prints what happens to it, whoever does it.

Run it beside a server: livecollections run examples.todos:app
Then: python examples/watch.py http://127.0.0.1:8000
"""

import asyncio
import sys

from livecollections import LiveClient


async def watch(url: str) -> None:
    """Print each change of the todos, until the program is ended."""
    async with LiveClient(url) as client, client.collection("/api/todos") as todos:
        print(f"{len(todos)} todos, {todos.live}", flush=True)
        async for change in todos.changes():
            todo = change.document or change.previous
            print(change.kind, change.key, todo["title"], flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(watch(sys.argv[1]))
    except KeyboardInterrupt:
        print("goodbye", flush=True)
