"""The public codes of visits: who has one sees that place in line, until it is taken back."""

import secrets
from datetime import datetime

import msgspec

from mediqon.auth.models import Actor
from mediqon.database import Connection, statements
from mediqon.queues import writing
from mediqon.queues.models import Facts
from mediqon.queues.writing import Change

SQL = statements("appointments")
CODE_BYTES = 12
"""96 random bits: the public handle of a visit."""


def new_code() -> str:
    return secrets.token_urlsafe(CODE_BYTES)


async def renew(conn: Connection, facts: Facts, visit_id: int, *, actor: Actor, now: datetime) -> Facts:
    """Gives a visit of a locked day another code; whoever has the old one has nothing. Place and label stay."""
    visit = facts.visit(visit_id)
    renewed = msgspec.structs.replace(visit, code=new_code(), version=visit.version + 1)
    await conn.execute(SQL.renew_code, visit_id, renewed.code)
    return await writing.write(
        conn, facts, [Change(verb="new_code", before=visit, after=renewed)], actor=actor, now=now
    )
