"""Whose attempts are slowed down, and how much: log-ins, new accounts, bookings, and what is done without a log-in."""

import hashlib
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from litestar.connection import ASGIConnection

from mediqon.auth.throttle import Door, Throttle

Connection = ASGIConnection[Any, Any, Any, Any]

PAIR_FREE, PAIR_LONGEST_SECONDS = 5, 60.0
"""Wrong passwords for one account from one address."""
ACCOUNT_FREE, ACCOUNT_LONGEST_SECONDS = 30, 15.0
"""Wrong passwords for one account from everywhere that it has never logged in from."""
ADDRESS_FREE, ADDRESS_LONGEST_SECONDS = 60, 30.0
"""Wrong passwords from one address, for accounts that have never logged in from there."""
BOOKINGS_FREE, BOOKINGS_LONGEST_SECONDS = 1000, 60.0
"""Bookings that one patient asks for."""
BOOKINGS_UNSHARED = 50
"""So many of them each process counts for itself: nobody's ordinary bookings wait for Redis."""
VISITOR_FREE, VISITOR_LONGEST_SECONDS = 300, 30.0
"""Codes used and kiosk tickets taken from one address, which may be a whole waiting room's."""
REGISTRATIONS_FREE, REGISTRATIONS_LONGEST_SECONDS = 1000, 30.0
"""Accounts made from one address."""
LOGINS_FREE, LOGINS_LONGEST_SECONDS = 1000, 30.0
"""Right passwords for one account: they cost as much as wrong ones, and only who knows it can close this door."""
IPV6_HOME_BITS = 64


class LoginDoors:
    """What one attempt to log in has to pass: a limit for the pair of account and address, for strangers two more, and
    one for those who know the password. `account`: its address in lower case.

    Whoever has logged in to the account from this address in the last 30 days is no stranger, so neither guesses at the
    account from elsewhere nor guesses from the same waiting room at other accounts keep them out.
    """

    def __init__(self, throttle: Throttle, account: str, address: str) -> None:
        whose, where = _short(account), _short(address)
        self._throttle = throttle
        self._name = f"{whose}:{where}"
        self._pair = Door(f"pair:{self._name}", PAIR_FREE, PAIR_LONGEST_SECONDS)
        self._known = Door(f"logins:{whose}", LOGINS_FREE, LOGINS_LONGEST_SECONDS)
        self._others = (
            Door(f"account:{whose}", ACCOUNT_FREE, ACCOUNT_LONGEST_SECONDS),
            Door(f"address:{where}", ADDRESS_FREE, ADDRESS_LONGEST_SECONDS),
        )

    async def enter(self) -> None:
        """Raises Throttled."""
        await self._throttle.refuse_closed(self._known, *await self._doors())

    async def failed(self) -> None:
        await self._throttle.count(*await self._doors())

    async def succeeded(self) -> None:
        await self._throttle.remember(self._name, self._pair)
        await self._throttle.count(self._known)

    async def _doors(self) -> tuple[Door, ...]:
        return (self._pair,) if await self._throttle.knows(self._name) else (self._pair, *self._others)


class Counted:
    """A door for everybody, each time counted."""

    def __init__(self, throttle: Throttle, door: Door) -> None:
        self._throttle, self._door = throttle, door

    async def look(self) -> None:
        """Raises Throttled while it is closed."""
        await self._throttle.refuse_closed(self._door)

    async def enter(self) -> None:
        """The same, and counts."""
        await self.look()
        await self._throttle.count(self._door)


async def count_booking(throttle: Throttle, patient_id: int) -> None:
    """Counts a booking that a patient asks for. Raises Throttled."""
    door = Door(f"bookings:{patient_id}", BOOKINGS_FREE, BOOKINGS_LONGEST_SECONDS)
    if not throttle.count_unshared(door, BOOKINGS_UNSHARED):
        await Counted(throttle, door).enter()


async def count_visitor(request: Connection) -> None:
    """Counts something done from this address without a log-in. Raises Throttled."""
    door = Door(f"visitor:{_short(address_of(request))}", VISITOR_FREE, VISITOR_LONGEST_SECONDS)
    await Counted(request.app.state.throttle, door).enter()


def registrations(request: Connection) -> Counted:
    """What a new account made from this address has to pass."""
    door = Door(f"registrations:{_short(address_of(request))}", REGISTRATIONS_FREE, REGISTRATIONS_LONGEST_SECONDS)
    return Counted(request.app.state.throttle, door)


def address_of(connection: Connection) -> str:
    """Where this comes from: the address, or of IPv6 the network, for one home has more addresses than it can try.

    A proxy's word is taken where MEDIQON_TRUSTED_PROXIES names it.
    """
    return network(connection.client.host if connection.client else "")


@lru_cache(4096)
def network(host: str) -> str:
    """The same of an address as the server sees it."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:  # a listener for both kinds sees IPv4 so
            return str(address.ipv4_mapped)
        return str(address if address.is_loopback else ip_network((address, IPV6_HOME_BITS), strict=False))
    return str(address)


def _short(secret: str) -> str:
    """Keeps addresses out of Redis as they are."""
    return hashlib.blake2b(secret.encode(errors="surrogatepass"), digest_size=12).hexdigest()
