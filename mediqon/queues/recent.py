"""Days as this process last knew them, the latest used first. Touches nothing, and may always be behind."""

from collections import OrderedDict

from mediqon.queues.models import DayKey, Facts

DAYS_MAX = 2000


class RecentDays:
    """Spares reading a day that nobody else has changed; whoever asks compares its version with the locked row's."""

    def __init__(self) -> None:
        self._days: OrderedDict[DayKey, Facts] = OrderedDict()

    def keep(self, facts: Facts) -> None:
        """Keeps a committed state, unless a newer one is here already."""
        known = self._days.get(facts.key)
        if known is None or known.version < facts.version:
            self._days[facts.key] = facts
        self._days.move_to_end(facts.key)
        if len(self._days) > DAYS_MAX:
            self._days.popitem(last=False)

    def __call__(self, key: DayKey) -> Facts | None:
        return self._days.get(key)
