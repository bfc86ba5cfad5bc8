"""Simulated clinic days under every method, and what they come to against the goals."""

import math
import random
import time
from collections.abc import Callable
from datetime import date, timedelta

import msgspec

from mediqon.evaluation.clinic import DOCTOR_LOG_SD, SCENARIOS, Session
from mediqon.evaluation.methods import OURS, Past, forecast, outside90
from mediqon.evaluation.scores import Scores
from mediqon.evaluation.watching import Phones, Watched
from mediqon.queues.estimate import predict
from mediqon.queues.habits import habits
from mediqon.queues.history import History
from mediqon.queues.lessons import learn
from mediqon.queues.prospects import Pending, Room

WARM_UP_DAYS = 40
DAY_ONE = date(2026, 1, 5)
SCORED_EVERY = 5
"""Minutes between the moments that are scored."""
COST_LINE, COST_ROUNDS = 100, 50


class Result(msgspec.Struct):
    """What a simulation found. `cost_ms`: one pass over 100 waiting, on this machine, now."""

    scores: Scores
    watched: Watched
    history: History
    cost_ms: float


def simulate(scenario: str, *, seed: int, days: int, step: Callable[[], None]) -> Result:
    """Days of one doctor, the first 40 only learnt from. `step` counts a day."""
    clinic = SCENARIOS[scenario]
    chance = random.Random(seed)  # noqa: S311
    pace = math.exp(chance.gauss(0, DOCTOR_LOG_SD))
    result = Result(Scores(), Watched(), History(), 0.0)
    past = Past()
    for number in range(WARM_UP_DAYS + days):
        day = Session(clinic, pace, chance).run()
        known = habits(result.history, clinic.slot)
        scored = number >= WARM_UP_DAYS
        phones = Phones(day.people, result.watched)
        below = above = count = 0
        for moment in day.moments:
            if not scored and moment.at % SCORED_EVERY:
                continue
            told = forecast(moment, known, past, clinic.slot)
            if scored:
                phones.look(moment, list(told.ours))
            if moment.at % SCORED_EVERY:
                continue
            for index, visit_id in enumerate(moment.people):
                called = day.people[visit_id].called
                if called is None:
                    continue
                happened, ours = called - moment.at, told.ours[index]
                early, late = happened < ours.low, happened > ours.high
                below, above, count = below + early, above + late, count + 1
                if scored:
                    result.scores.add({name: minutes[index] for name, minutes in told.expected.items()}, happened)
                    wide = outside90(ours, known, happened)
                    result.scores.cover(OURS, below=early, above=late, outside90=wide, happened=happened)
                    result.scores.rank(ours, known, happened)
        phones.end()
        closed = msgspec.structs.replace(day.closed, missed=(below, above, count))
        result.history = learn(result.history, DAY_ONE + timedelta(number), [closed], clinic.slot)
        past.add([each.minutes for each in day.closed.seen if each.minutes is not None])
        step()
    result.cost_ms = cost(result.history, clinic.slot)
    return result


def cost(history: History, slot_minutes: float) -> float:
    """Milliseconds for one pass over 100 waiting, half of them not here yet: the best of a few."""
    known = habits(history, slot_minutes)
    line = [
        Pending(None if number % 2 else slot_minutes * number, slot_minutes * number) for number in range(COST_LINE)
    ]
    room = Room(lasted=3.0, breaks=((120.0, 135.0),))
    best = math.inf
    for _ in range(COST_ROUNDS):
        began = time.perf_counter()
        predict(line, room, known)
        best = min(best, time.perf_counter() - began)
    return best * 1000
