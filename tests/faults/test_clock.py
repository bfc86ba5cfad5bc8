"""The clock is set back or forth while a clinic is open: screens only go forward, numbers are not repeated."""

import pytest

from builders import Clinic, Server
from conftest import Clock

pytestmark = pytest.mark.anyio

STEPS_MINUTES = (7, -90, 200, -30, -1, 45)


async def test_a_clock_that_is_set_back_and_forth_breaks_no_promise(
    server: Server, clinic: Clinic, clock: Clock
) -> None:
    clock.forward(hours=2)
    tokens: list[str] = []
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        for step in STEPS_MINUTES:
            clock.forward(minutes=step)
            await clinic.reception.log_in_again()
            came = await clinic.reception.walk_in(clinic.doctor_id)
            assert came.status == 201
            tokens.append(came["token"])
            called = await clinic.reception.call_next(clinic.doctor_id)
            assert called.status == 200, called
            last = await screen.version(2 * len(tokens))
            assert last["call_seq"] == len(tokens)
    assert tokens == [f"A-W{number:02}" for number in range(1, len(STEPS_MINUTES) + 1)]
