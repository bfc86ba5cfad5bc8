"""Whose attempts are slowed down, and how much: log-ins, and a patient's bookings."""

import hashlib
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from litestar.connection import ASGIConnection

from mediqon.auth.throttle import Door, Throttle

PAIR_FREE, PAIR_LONGEST_SECONDS = 5, 60.0
"""Wrong passwords for one account from one address."""
ACCOUNT_FREE, ACCOUNT_LONGEST_SECONDS = 30, 15.0
"""Wrong passwords for one account from everywhere that it has never logged in from."""
ADDRESS_FREE, ADDRESS_LONGEST_SECONDS = 60, 30.0
"""Wrong passwords from one address, for accounts that have never logged in from there."""
BOOKINGS_FREE, BOOKINGS_LONGEST_SECONDS = 1000, 60.0
"""Bookings that one patient asks for."""
VISITOR_FREE, VISITOR_LONGEST_SECONDS = 300, 30.0
"""Codes used and kiosk tickets taken from one address, which may be a whole waiting room's."""
IPV6_HOME_BITS = 64


class LoginDoors:
    """What one attempt to log in has to pass: a limit for the pair of account and address, and for strangers two more.

    Whoever has logged in to the account from this address in the last 30 days is no stranger, so neither guesses at the
    account from elsewhere nor guesses from the same waiting room at other accounts keep them out.
    """

    def __init__(self, throttle: Throttle, account: str, address: str) -> None:
        whose, where = _short(account.lower()), _short(address)
        self._throttle = throttle
        self._name = f"{whose}:{where}"
        self._pair = Door(f"pair:{self._name}", PAIR_FREE, PAIR_LONGEST_SECONDS)
        self._others = (
            Door(f"account:{whose}", ACCOUNT_FREE, ACCOUNT_LONGEST_SECONDS),
            Door(f"address:{where}", ADDRESS_FREE, ADDRESS_LONGEST_SECONDS),
        )

    async def enter(self) -> None:
        """Raises Throttled."""
        await self._throttle.refuse_closed(*await self._doors())

    async def failed(self) -> None:
        await self._throttle.count(*await self._doors())

    async def succeeded(self) -> None:
        await self._throttle.remember(self._name, self._pair)

    async def _doors(self) -> tuple[Door, ...]:
        return (self._pair,) if await self._throttle.knows(self._name) else (self._pair, *self._others)


async def count_booking(throttle: Throttle, patient_id: int) -> None:
    """Counts a booking that a patient asks for. Raises Throttled."""
    door = Door(f"bookings:{patient_id}", BOOKINGS_FREE, BOOKINGS_LONGEST_SECONDS)
    await throttle.refuse_closed(door)
    await throttle.count(door)


async def count_visitor(request: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Counts something done from this address without a log-in. Raises Throttled."""
    door = Door(f"visitor:{_short(address_of(request))}", VISITOR_FREE, VISITOR_LONGEST_SECONDS)
    throttle: Throttle = request.app.state.throttle
    await throttle.refuse_closed(door)
    await throttle.count(door)


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Where a request or a socket comes from: the address, or of IPv6 the network, for one home has more addresses than it can try.

    A proxy's word is taken where MEDIQON_TRUSTED_PROXIES names it.
    """
    host = connection.client.host if connection.client else ""
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
