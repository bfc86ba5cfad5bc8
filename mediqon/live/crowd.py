"""How many sockets one address may hold open at a process."""

from collections import Counter
from ipaddress import ip_address

from mediqon.errors import TooManySockets


class Crowd:
    """Counts by address. This machine's own are not limited: behind a proxy that may not name its clients
    (MEDIQON_TRUSTED_PROXIES), everybody would be one of them.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sockets = Counter[str]()

    def enter(self, address: str) -> None:
        """Raises TooManySockets; otherwise wants one `leave`."""
        if self._sockets[address] >= self._limit and not _is_here(address):
            raise TooManySockets
        self._sockets[address] += 1

    def leave(self, address: str) -> None:
        self._sockets[address] -= 1
        if not self._sockets[address]:
            del self._sockets[address]


def _is_here(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
