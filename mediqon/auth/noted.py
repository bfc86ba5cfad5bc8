"""What of a request goes into the logbook: who was refused, who looked at visits, who changed what else.

Changes of visits are not noted here: they tell their own story in `appointment_events`.
"""

from typing import Any

import msgspec
from litestar.connection import ASGIConnection

from mediqon import logs
from mediqon.auth.audit import Note
from mediqon.auth.doors import address_of
from mediqon.auth.models import Actor, Role

Connection = ASGIConnection[Any, Any, Any, Any]

OK, LIVE_OPENED = 200, 101
REFUSALS = {401, 403, 429}
ABOUT_VISITS = ("/appointments", "/queues")


def note_success(connection: Connection) -> None:
    """Something that somebody logged in has done or seen, and was allowed to."""
    actor = _actor(connection)
    if actor is None:
        return
    about_visits = _route(connection).startswith(ABOUT_VISITS)
    if connection.scope.get("method") != "GET":
        if not about_visits:
            connection.app.state.logbook.note(_note(connection, OK, actor))
    elif about_visits and actor.role is not Role.PATIENT:
        connection.app.state.logbook.look(_note(connection, OK, actor))


def is_noted(logbook: Any, actor: Actor, route: str, about: str, address: str) -> bool:
    """Whether such a look, as `note_success` has it, has been noted lately."""
    return logbook.has_look((f"GET {route}", about, OK, actor.id, address))


def note_refusal(connection: Connection, status: int) -> None:
    """Somebody was not let in, or asked for what is not theirs."""
    actor = _actor(connection)
    if _route(connection) and (status in REFUSALS or (status == 404 and actor)):
        connection.app.state.logbook.refusal(_note(connection, status, actor))


def note_socket(connection: Connection, actor: Actor) -> None:
    """Somebody asks for a live desk, with a token that is good."""
    connection.app.state.logbook.look(_note(connection, LIVE_OPENED, actor))


def note_account(connection: Connection, user_id: int, role: Role) -> None:
    """An account has logged in."""
    note = _note(connection, OK, None)
    connection.app.state.logbook.note(msgspec.structs.replace(note, actor_id=user_id, actor_role=role))


def _note(connection: Connection, outcome: int, actor: Actor | None) -> Note:
    """Only numbers of what was asked for: a code or a key would open what it names."""
    numbers = {name: value for name, value in connection.path_params.items() if name.endswith("_id")}
    return Note(
        at=connection.app.state.clock(),
        action=f"{connection.scope.get('method', 'LIVE')} {_route(connection)}",
        object=" ".join(f"{name}={value}" for name, value in numbers.items()),
        outcome=outcome,
        actor_id=actor.id if actor else None,
        actor_role=actor.role if actor else None,
        address=address_of(connection),
        request=logs.request_id.get(),
    )


def _actor(connection: Connection) -> Actor | None:
    return connection.scope["state"].get("actor")


def _route(connection: Connection) -> str:
    return connection.scope.get("path_template") or ""
