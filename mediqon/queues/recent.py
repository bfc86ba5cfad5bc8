"""Days as this process last knew them, the latest used first. Touches nothing, and may always be behind."""

from collections import OrderedDict

from mediqon.queues.models import DayKey, Facts

DAYS_MAX, VISITS_MAX = 2000, 100_000


class RecentDays:
    """Spares reading a day that nobody else has changed; whoever asks compares its version with the row's."""

    def __init__(self) -> None:
        self._days: OrderedDict[DayKey, Facts] = OrderedDict()
        self._visits: OrderedDict[int, DayKey] = OrderedDict()

    def keep(self, facts: Facts) -> None:
        """Keeps a committed state, unless a newer one is here already."""
        known = self._days.get(facts.key)
        if known is None or known.version < facts.version:
            self._days[facts.key] = facts
            new = facts.visits[len(known.visits) if known else 0 :]  # as far as can be told without a look at them all
            self._visits.update((visit.id, facts.key) for visit in new)
        self._days.move_to_end(facts.key)
        if len(self._days) > DAYS_MAX:
            self._days.popitem(last=False)
        while len(self._visits) > VISITS_MAX:
            self._visits.popitem(last=False)

    def __call__(self, key: DayKey) -> Facts | None:
        return self._days.get(key)

    def where(self, visit_id: int) -> DayKey | None:
        """The day on which a visit was seen last, if that is known."""
        return self._visits.get(visit_id)
