"""How much is measured: every count and every time of one benchmark."""

from typing import Literal

import msgspec

Kind = Literal["growth", "fanout", "latency", "bookings", "status", "today", "polls", "logins"]
KINDS: tuple[Kind, ...] = ("growth", "fanout", "latency", "bookings", "status", "today", "polls", "logins")
"""In the order in which they are measured: growth first, while the database is empty."""


class Fan(msgspec.Struct, frozen=True):
    """A shape of the fan-out: so many doctors' days, each watched by so many screens; `window` changes under way."""

    days: int
    screens: int
    window: int = 1

    @property
    def sockets(self) -> int:
        return self.days * self.screens

    def __str__(self) -> str:
        return f"{self.days} × {self.screens}"


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` for each measurement, `floor_seconds` for each floor; `history` past appointments for the growth."""

    runs: int
    seconds: float
    floor_seconds: float
    fans: tuple[Fan, ...]
    latency_screens: int
    clients: tuple[int, ...]
    doctors: int
    history: int

    @property
    def staff(self) -> int:
        """Doctors in the clinic: for every day of a fan-out, and a hot one for each measurement of that."""
        return max([self.doctors + len(self.clients) * self.runs, *(fan.days for fan in self.fans)])

    def at_most(self, sockets: int) -> "Scale":
        """The same with no more sockets than that at once."""
        fans = tuple(_at_most(fan, sockets) for fan in self.fans)
        kept = tuple(fan for number, fan in enumerate(fans) if fan not in fans[:number])
        return msgspec.structs.replace(self, fans=kept, latency_screens=min(self.latency_screens, sockets))


FULL = Scale(
    runs=3,
    seconds=3,
    floor_seconds=2,
    fans=(Fan(1, 1000), Fan(1, 10_000), Fan(2000, 5, window=32)),
    latency_screens=1000,
    clients=(16, 64),
    doctors=200,
    history=2_000_000,
)
QUICK = msgspec.structs.replace(
    FULL,
    runs=1,
    seconds=1.5,
    floor_seconds=1,
    fans=(Fan(1, 1000), Fan(1, 3000), Fan(400, 5, window=32)),
    history=100_000,
)


def _at_most(fan: Fan, sockets: int) -> Fan:
    if fan.sockets <= sockets:
        return fan
    if fan.days == 1:
        return Fan(1, sockets)
    days = max(sockets // fan.screens, 1)
    return Fan(days, fan.screens, min(fan.window, days))
