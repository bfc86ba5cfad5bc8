"""Simulated days: the goals of expected times, and the command that prints them."""

import json
import random
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from mediqon.cli import main
from mediqon.evaluation.clinic import SCENARIOS, Session
from mediqon.evaluation.goals import goals
from mediqon.evaluation.simulate import Result, cost, simulate
from mediqon.queues.history import History

DAYS = 20


@pytest.fixture(scope="module", params=sorted(SCENARIOS))
def simulated(request: pytest.FixtureRequest) -> Result:
    return simulate(request.param, seed=3, days=DAYS, step=lambda: None)


def test_in_every_clinic_we_are_nearer_than_any_other_method(simulated: Result) -> None:
    errors = {name: score.mae or 0.0 for name, score in simulated.scores.methods.items()}
    assert set(errors) == {"slot", "configured", "rolling5", "last", "history", "ours"}
    assert min(errors, key=lambda name: errors[name]) == "ours"


def test_the_range_holds_as_often_as_it_says_on_both_sides(simulated: Result) -> None:
    found = {goal.name: goal for goal in goals(simulated.scores, simulated.watched)}
    assert 0.75 <= found["80 % range holds"].found <= 0.85
    assert 0.05 <= found["called before it"].found <= 0.15
    assert 0.05 <= found["called after it"].found <= 0.15


def test_whoever_comes_as_told_is_in_time_and_screens_keep_still(simulated: Result) -> None:
    watched = simulated.watched
    assert watched.told > 100
    assert watched.missed_share <= 0.06
    assert watched.jumps_an_hour < 0.5 * watched.raw_jumps_an_hour


def test_the_same_seed_gives_the_same_days() -> None:
    first, again, other = (simulate("calm", seed=seed, days=1, step=lambda: None) for seed in (1, 1, 2))
    assert first.history == again.history
    assert first.history != other.history


def test_a_simulated_day_serves_everybody_who_came_once_and_one_at_a_time() -> None:
    day = Session(SCENARIOS["busy"], 1.0, random.Random(4)).run()
    served = sorted((each.called or 0.0, each.ended or 0.0) for each in day.people.values() if each.called is not None)
    assert all(ended <= called + 1e-6 for (_, ended), (called, _) in pairwise(served))
    assert all((each.called is None) == (each.comes is None) for each in day.people.values() if not each.given_up)


def test_the_cost_of_a_pass_grows_with_the_line_and_not_with_the_history() -> None:
    fresh = cost(History(), 10)
    taught = cost(simulate("calm", seed=1, days=1, step=lambda: None).history, 10)
    assert taught < 3 * fresh


def test_the_command_prints_for_programs_and_draws(tmp_path: Path) -> None:
    picture = tmp_path / "p.svg"
    command = ["simulate", "--scenario", "calm", "--seed", "2", "--days", "2", "--json", "--plot", str(picture)]
    answer = CliRunner().invoke(main, command)
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert (told["scenario"], told["seed"], told["days"]) == ("calm", 2, 2)
    assert set(told["methods"]["ours"]) == {"mae", "bias", "cover80", "cover90"}
    assert {"jumps_per_hour", "missed_turns", "wait"} <= set(told["shown"])
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_the_command_prints_tables_for_people() -> None:
    answer = CliRunner().invoke(main, ["simulate", "--scenario", "calm", "--days", "1"])
    assert answer.exit_code == 0, answer.output
    assert "history + remaining time" in answer.stdout
    assert "missed turns" in answer.stdout
