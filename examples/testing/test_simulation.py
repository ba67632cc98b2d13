"""A phone that sleeps while the server dies: one order of events, from one seed.

Run it: python -m pytest examples/testing/test_simulation.py
"""

from examples.todos import Todo
from livecollections import Live
from livecollections.testing.simulation import Simulation


def build(store):
    live = Live(store)  # on the store of this life of the server
    live.add_resource("/api/todos", Todo)
    return live


async def hold(client):
    async with client, client.collection("/api/todos") as todos:
        await todos.wait_until(lambda it: len(it) == 1, 120)


async def history(simulation):
    server = simulation.server(build)
    await server.start()
    holding = simulation.host("phone").start(hold(simulation.client("phone")))
    simulation.host("phone").sleep()
    server.sql("INSERT INTO todo (title, completed) VALUES ('milk', 0)")
    server.crash()
    await server.restart()
    simulation.host("phone").wake()
    await holding


def test_a_phone_that_slept_through_a_crash_catches_up():
    Simulation(seed=1).run(history)
