"""What a handler may ask for by name; the composition root provides it."""

from datetime import datetime
from typing import Any, TypeAlias

import litestar
import msgspec
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException

from mediqon import database
from mediqon.auth import ended, models
from mediqon.errors import Malformed
from mediqon.live import feed
from mediqon.problem_json import malformed_body
from mediqon.queues.counter import Counter
from mediqon.queues.moves import Order

Pool: TypeAlias = NamedDependency[database.Pool]
Feed: TypeAlias = NamedDependency[feed.Feed]
Moves: TypeAlias = NamedDependency[Counter[Order]]
"""Where the line is moved."""
Actor: TypeAlias = NamedDependency[models.Actor]
"""Who is asking, as the guard found; only behind a guard."""
Ended: TypeAlias = NamedDependency[ended.EndedSessions]
Now: TypeAlias = NamedDependency[datetime]
"""What time it is, UTC."""


class CutOff(Malformed):
    """The client left before the end of its request."""

    def __init__(self) -> None:
        super().__init__("body", "ends too early")


class Request(litestar.Request[Any, Any, Any]):
    """Bodies are taken at their word: where a number is asked for, `"1"` is refused. Litestar would convert it."""

    async def body(self) -> bytes:
        """The whole of it. Raises CutOff."""
        try:
            return await super().body()
        except InternalServerException:
            raise CutOff from None

    async def json(self) -> Any:
        """The body as the type of the handler's `data`. Raises Malformed."""
        kind = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        try:
            return msgspec.json.decode(await self.body(), type=kind)
        except msgspec.DecodeError as error:
            raise malformed_body(error) from None

    @property
    def address(self) -> str:
        """Where people reach this server, without a last slash: what is configured, otherwise how it was just asked."""
        public: str = self.app.state.settings.public_url
        return (public or str(self.base_url)).rstrip("/")

    def refuse_parameters_but(self, *known: str) -> None:
        """Raises Malformed for a query parameter that is not one of these: a typo is never silently dropped."""
        for unknown in set(self.query_params) - {*known}:
            raise Malformed(unknown, "is not a parameter of this request")
