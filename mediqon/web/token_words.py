"""A visit in words, in any language: what the phone page says before its script, `token/words.js`, says the same."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mediqon.live.channels import Because, TokenView
from mediqon.queues.models import QueueState, Status
from mediqon.queues.shown import NEXT_MINUTES
from mediqon.queues.tidings import is_numbered

STEP = timedelta(minutes=5)
SOON = timedelta(minutes=NEXT_MINUTES)


class Words:
    """What the page says of `view` as of `now`, in the language of `texts`."""

    def __init__(self, view: TokenView, texts: dict[str, Any], now: datetime) -> None:
        self.view, self.texts, self.now = view, texts, now
        self.zone = ZoneInfo(view.timezone)
        self.today = now.astimezone(self.zone).date()

    def parts(self) -> dict[str, str]:
        """What stands in each part of the page."""
        view, texts = self.view, self.texts
        headline, advice = self._tidings()
        return {
            "hospital": view.hospital,
            "live": self._with_time("showing", self.now),
            "token": view.token,
            "headline": headline,
            "advice": advice,
            **self._times(),
            "message": self._message(),
            "doctor": view.doctor.name,
            "room": self._room(),
            "serving": ", ".join(view.now_serving) or texts["nobody"],
            "day": texts["today"] if self.today == view.date else self._date(view.date),
            "why": self._why(),
        }

    def _tidings(self) -> tuple[str, str]:
        view, texts, where = self.view, self.texts, self._room()
        if view.status is Status.CALLED:
            return texts["your_turn"], texts["go_to"].format(where=where) if where else texts["come_in"]
        if view.status is Status.IN_CONSULTATION:
            return texts["with_doctor"], where
        if view.status in texts:
            headline, advice = texts[view.status]
            return headline, advice
        if view.date > self.today:
            return texts["booked"], self._date(view.date)
        return self._place(), self._advice()

    def _place(self) -> str:
        if not self.view.ahead:
            return self.texts["next" if self.view.ahead == 0 else "waiting"]
        return self._counted("ahead", self.view.ahead)

    def _advice(self) -> str:
        if self.view.status is Status.CHECKED_IN:
            return self.texts["stay_close" if self.view.ahead == 0 else "checked_in"]
        return self.texts["check_in_here" if "check_in" in self.view.may else "check_in_desk"]

    def _times(self) -> dict[str, str]:
        view, texts = self.view, self.texts
        at, early, late = view.expected_at, view.expected_from, view.expected_to
        if view.status not in {Status.BOOKED, Status.CHECKED_IN}:
            return {"about": "", "range": "", "be-here": ""}
        if at is None or early is None or late is None:
            return {"about": texts["no_time"], "range": "", "be-here": ""}
        if view.ahead == 0 and at - self.now < SOON:
            return {"about": texts["soon"], "range": "", "be-here": ""}
        return {
            "about": self._with_time("about", _stepped(at, 0.5)),
            "range": f"({self._clock(_stepped(early, 0))}–{self._clock(_stepped(late, 0.999))})",
            "be-here": self._with_time("be_here_by", view.be_here_by) if view.be_here_by else "",
        }

    def _message(self) -> str:
        view, texts = self.view, self.texts
        if view.state is QueueState.CLOSED:
            return texts["closed"]
        if view.state is QueueState.PAUSED:
            return self._with_time("paused_until", view.paused_until) if view.paused_until else texts["paused"]
        return texts["delayed"].format(n=view.delay_minutes) if view.delay_minutes else ""

    def _why(self) -> str:
        view, texts = self.view, self.texts
        if view.ahead is None:
            return texts["afterwards"][view.status]
        people = self._counted("before", view.ahead)
        if view.because:
            people += f" {self._sum(view.because)}"
        if view.status is Status.BOOKED:
            return texts["why_booked"].format(people=people)
        return texts["why_place"].format(place=texts["places"][view.place], people=people)

    def _sum(self, because: Because) -> str:
        parts: list[str] = []
        if because.ahead:
            parts.append(self.texts["sum_ahead"].format(n=because.ahead, each=because.each))
        parts += [
            self.texts[name].format(n=minutes)
            for name, minutes in (("sum_left", because.left), ("sum_break", because.rests))
            if minutes
        ]
        added = " + ".join(parts)
        if because.begins:
            return self._with_time("sum_start", because.begins, sum=added or self.texts["sum_first"])
        if because.ahead * because.each + because.left + because.rests < NEXT_MINUTES:
            return self.texts["sum_next"]
        return self.texts["sum"].format(sum=added)

    def _counted(self, name: str, count: int) -> str:
        form = {0: "none", 1: "one"}.get(count, "many")
        return self.texts[f"{name}_{form}"].format(n=count)

    def _room(self) -> str:
        room = self.view.doctor.room
        return self.texts["room"].format(room=room) if is_numbered(room) else room

    def _date(self, day: date) -> str:
        weekday, month = self.texts["weekdays"][day.weekday()], self.texts["months"][day.month - 1]
        return self.texts["date"].format(weekday=weekday, day=day.day, month=month)

    def _with_time(self, name: str, at: datetime, **more: str) -> str:
        return self.texts[name].format(time=self._clock(at), **more)

    def _clock(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%H:%M}"


def _stepped(at: datetime, up: float) -> datetime:
    """In steps of five minutes: down for `up` 0, to the nearest for 0.5, up for almost 1."""
    steps = int(at.timestamp() / STEP.total_seconds() + up)
    return datetime.fromtimestamp(steps * STEP.total_seconds(), at.tzinfo)
