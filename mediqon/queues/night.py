"""When a day is over at its hospital, it closes by itself: who is still open then has not come."""

import logging
from datetime import datetime

from mediqon.database import LOST, Pool, reading, statements, transaction
from mediqon.live.feed import Feed
from mediqon.queues import days, session
from mediqon.queues.models import DayKey

log = logging.getLogger(__name__)

EVERY_SECONDS = 20.0


async def close_old_days(pool: Pool, feed: Feed, now: datetime) -> None:
    """Closes every open day before today, each in a transaction of its own; several processes may do so at once.

    One that cannot be closed keeps no other open. Raises one of LOST.
    """
    async with reading(pool) as conn:
        over = await conn.fetch(statements("queues").days_over, now)
    for row in over:
        key = DayKey(row["doctor_id"], row["day"])
        try:
            await _close(pool, feed, key, now)
        except LOST:
            raise
        except Exception:
            log.exception("the day %s of doctor %s cannot be closed", key.day, key.doctor_id)


async def _close(pool: Pool, feed: Feed, key: DayKey, now: datetime) -> None:
    async with transaction(pool) as conn:
        before = await days.lock(conn, key)
        facts = await session.close(conn, before, no_show=True, actor=None, now=now)
    if facts is not before:
        log.info("closed the day %s of doctor %s", key.day, key.doctor_id)
        await feed.publish(facts)
        await feed.publish_today(key.doctor_id)  # told by what the closed day has taught
