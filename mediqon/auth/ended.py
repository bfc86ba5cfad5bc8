"""Which sessions have ended while their access tokens have not expired yet: in memory, so that asking costs nothing.

Whoever ends a session says so here, after commit; the other processes find it in the database within REFRESH_SECONDS.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from mediqon.auth import tokens
from mediqon.database import Pool, reading, statements

REFRESH_SECONDS = 1.0
OVERLAP = timedelta(seconds=60)
"""How late a session's end may become visible: the longest transaction, and the clocks of two machines."""

Told = Callable[[], None]


class EndedSessions:
    """One per process. Sessions that ended longer ago than a token lasts are forgotten."""

    def __init__(self) -> None:
        self._ended: dict[UUID, datetime] = {}
        self._read_until: datetime | None = None
        self._told: dict[UUID, set[Told]] = defaultdict(set)

    def __contains__(self, session: UUID) -> bool:
        return session in self._ended

    def add(self, sessions: Iterable[UUID], *, now: datetime) -> None:
        """These have just ended: tells whoever watches them. Call it after commit."""
        for session in sessions:
            self._ended[session] = now
            for told in self._told.pop(session, ()):
                told()

    def watch(self, session: UUID, told: Told) -> Told:
        """Calls `told` once when the session ends, until the function that is returned is called."""
        self._told[session].add(told)

        def leave() -> None:
            self._told[session].discard(told)
            if not self._told[session]:
                del self._told[session]

        return leave

    async def refresh(self, pool: Pool, *, now: datetime) -> None:
        """Takes in what other processes have ended. Raises one of LOST."""
        lasting = now - tokens.LIFETIME - OVERLAP
        since = max(self._read_until - OVERLAP, lasting) if self._read_until else lasting
        async with reading(pool) as conn:
            rows = await conn.fetch(statements("auth").ended_since, since)
        self._read_until = now
        for row in rows:
            if row["id"] not in self._ended:
                self.add([row["id"]], now=row["revoked_at"])
        if any(at < lasting for at in self._ended.values()):
            self._ended = {session: at for session, at in self._ended.items() if at >= lasting}
