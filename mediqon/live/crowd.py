"""How many sockets one address, and one account, may hold open at a process."""

import math
from collections import Counter
from ipaddress import ip_address

from mediqon.errors import TooManySockets

ACCOUNT_SOCKETS_MAX = 100
"""An account may be a whole reception's."""


class Crowd:
    """Counts by address and by account. This machine's own addresses are not limited: behind a proxy that may not name
    its clients (MEDIQON_TRUSTED_PROXIES), everybody would be one of them.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: sockets of one address."""
        self._limit = limit
        self._sockets = Counter[str | int]()

    def enter(self, address: str) -> None:
        """Raises TooManySockets; otherwise wants one `leave`."""
        self._count(address, math.inf if _is_here(address) else self._limit)

    def enter_as(self, user_id: int) -> None:
        """The same for an account."""
        self._count(user_id, ACCOUNT_SOCKETS_MAX)

    def leave(self, who: str | int) -> None:
        """Somebody of this address, or account, has gone."""
        self._sockets[who] -= 1
        if not self._sockets[who]:
            del self._sockets[who]

    def _count(self, who: str | int, most: float) -> None:
        if self._sockets[who] >= most:
            raise TooManySockets
        self._sockets[who] += 1


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
