"""What a handler may ask for by name; the composition root provides it."""

from datetime import datetime
from typing import TypeAlias

from litestar.di import NamedDependency

from mediqon import database
from mediqon.auth import models
from mediqon.live import feed

Pool: TypeAlias = NamedDependency[database.Pool]
Feed: TypeAlias = NamedDependency[feed.Feed]
Actor: TypeAlias = NamedDependency[models.Actor]
"""Who is asking, as the guard found; only behind a guard."""
Now: TypeAlias = NamedDependency[datetime]
"""What time it is, UTC."""
