"""What need not be kept: answers under idempotency keys after a day, sessions that have expired."""

from datetime import datetime, timedelta

from mediqon.database import Pool, reading, statements

SQL = statements("auth")
EVERY_SECONDS = 600.0
KEYS_LAST = timedelta(days=1)


async def forget_old(pool: Pool, now: datetime) -> None:
    """Drops them; several processes may do so at once."""
    async with reading(pool) as conn:
        await conn.execute(SQL.forget_keys, now - KEYS_LAST)
        await conn.execute(SQL.forget_sessions, now)
