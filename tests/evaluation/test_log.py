"""A clinic's own log: what is read, what is left out and why, and what the methods make of it."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mediqon.cli import main
from mediqon.evaluation.evaluate import configured_slot, moments
from mediqon.evaluation.log import LogError, doctors_days, read_log

HEADER = "doctor,day,start,end\n"
MORNING = datetime(2025, 1, 6, 9, tzinfo=UTC)


def at(text: str) -> str:
    return f"2025-01-06T{text}:00Z"


def evaluated(file: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", str(file), *options])


def a_clinics_log(days: int, *, seed: int = 1) -> str:
    """Half-day sessions of one doctor: lognormal visits that get shorter, 3 % of the variance between sessions."""
    chance = random.Random(seed)
    rows = [HEADER]
    for number in range(days):
        time = MORNING + timedelta(days=number, minutes=chance.uniform(-5, 20))
        pace = chance.gauss(0, 0.076)
        for place in range(17):
            mean = 14.3 - 2.2 * place / 16
            end = time + timedelta(minutes=mean * chance.lognormvariate(pace - 0.44**2 / 2, 0.44))
            day = (MORNING + timedelta(days=number)).date()
            rows.append(f"7,{day},{time.isoformat()},{end.isoformat()}\n")
            time = end + timedelta(minutes=chance.expovariate(1 / 0.7))
    return "".join(rows)


def test_columns_may_stand_in_any_order_with_bom_and_semicolons_and_strangers() -> None:
    text = f"\ufeffend; Start ;ward;day;doctor\r\n{at('09:10')};{at('09:00')};3;2025-01-06;A\r\n"
    log = read_log(text.encode())
    assert ([row.doctor for row in log.rows], log.bad) == (["A"], [])
    assert (log.rows[0].end or 0) - (log.rows[0].start or 0) == 10


def test_instants_with_offset_with_z_and_without_anything_are_one_time() -> None:
    rows = "".join(
        f"A,d,{start},\n" for start in ("2025-01-06T09:00:00Z", "2025-01-06T14:30+05:30", "2025-01-06 09:00")
    )
    assert len({row.start for row in read_log((HEADER + rows).encode()).rows}) == 1


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (f",d,{at('09:00')},", "doctor is empty"),
        (f"A,,{at('09:00')},", "day is empty"),
        ("A,d,,", "start is empty"),
        ("A,d,nine,", "start 'nine' is not an ISO instant"),
        (f"A,d,{at('09:00')},{at('08:00')}", f"end {at('08:00')} is before start {at('09:00')}"),
        (f"A,d,{at('09:00')},,surplus", "has more cells than the header"),
        (f"A,d,{at('08:30')},", "is there twice"),
    ],
)
def test_a_bad_row_is_left_out_and_named(row: str, problem: str) -> None:
    log = read_log(f"{HEADER}A,d,{at('08:30')},\n{row}\n".encode())
    assert len(log.rows) == 1
    assert [(bad.line, bad.problem) for bad in log.bad] == [(3, problem)]


@pytest.mark.parametrize("body", [b"", b"doctor,day,start\n", b"\xff\xfe\x00", b"a;b\n1;2\n"])
def test_what_is_no_log_is_refused_in_a_sentence(body: bytes) -> None:
    with pytest.raises(LogError, match=r"\.$"):
        read_log(body)


def test_days_out_of_order_are_put_in_order_and_an_afternoon_is_a_line_of_its_own() -> None:
    rows = [
        "A,tue,2025-01-07T09:00Z,2025-01-07T09:10Z",
        "A,mon,2025-01-06T14:00Z,2025-01-06T14:10Z",
        "A,mon,2025-01-06T09:12Z,2025-01-06T09:20Z",
        "A,mon,2025-01-06T09:00Z,2025-01-06T09:10Z",
    ]
    days = doctors_days(read_log((HEADER + "\n".join(rows)).encode()).rows)["A"]
    assert [day.name for day in days] == ["mon", "tue"]
    assert [len(session) for session in days[0].sessions] == [2, 1]


def test_a_visit_ends_at_the_latest_when_the_next_begins_and_an_unknown_end_stays_unknown() -> None:
    rows = [f"A,d,{at('09:00')},{at('09:30')}", f"A,d,{at('09:10')},", f"A,d,{at('09:25')},{at('09:40')}"]
    session = doctors_days(read_log((HEADER + "\n".join(rows)).encode()).rows)["A"][0].sessions[0]
    assert [visit.minutes for visit in session] == [10, None, 15]


def test_the_line_is_predicted_at_each_start_and_every_five_minutes() -> None:
    rows = [f"A,d,{at('09:00')},{at('09:07')}", f"A,d,{at('09:08')},{at('09:12')}", f"A,d,{at('09:14')},{at('09:20')}"]
    session = doctors_days(read_log((HEADER + "\n".join(rows)).encode()).rows)["A"][0].sessions[0]
    looks = [(moment.at - session[0].start, moment.room.lasted, called) for moment, called in moments(session, [])]
    assert looks == [(0, 0, [8, 14]), (5, 5, [3, 9]), (8, 0, [6]), (10, 2, [4])]


def test_configured_minutes_are_the_distance_of_slots_or_the_mean_visit_down_to_five() -> None:
    visits = "".join(f"A,d,{at(f'09:{n * 10:02}')},{at(f'09:{n * 10 + 9:02}')}\n" for n in range(6))
    assert configured_slot(doctors_days(read_log((HEADER + visits).encode()).rows)["A"]) == 5
    slots = "doctor,day,start,end,slot\n" + "".join(
        f"A,d,{at(f'09:{n * 10:02}')},,{at(f'09:{n * 6:02}')}\n" for n in range(6)
    )
    assert configured_slot(doctors_days(read_log(slots.encode()).rows)["A"]) == 6
    assert configured_slot([]) == 10


def test_a_clinics_log_is_predicted_better_than_products_do(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(a_clinics_log(90) + "7,2025-01-06,rubbish,\n")
    answer = evaluated(file, "--json")
    assert answer.exit_code == 0, answer.output
    told: dict[str, Any] = json.loads(answer.stdout)
    methods = told["methods"]
    assert {"ours", "configured", "rolling5", "history"} <= set(methods)
    assert all(set(method) == {"mae", "bias", "cover80", "cover90"} for method in methods.values())
    assert methods["ours"]["mae"] < 0.80 * methods["configured"]["mae"]
    assert methods["ours"]["mae"] < 0.70 * methods["rolling5"]["mae"]
    assert methods["ours"]["mae"] < methods["history"]["mae"]
    assert 0.75 < methods["ours"]["cover80"] < 0.85
    assert told["predictions"] > 10_000
    assert (told["rows"], told["bad_rows"]["count"], told["bad_rows"]["rows"][0]["line"]) == (90 * 17, 1, 90 * 17 + 2)


def test_a_doctor_without_history_is_predicted_from_priors(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(a_clinics_log(1))
    told = json.loads(evaluated(file, "--json", "--warmup", "0").stdout)
    assert told["methods"]["ours"]["mae"] < 60


def test_slots_check_ins_kinds_and_no_shows_are_used(tmp_path: Path) -> None:
    chance = random.Random(3)
    rows = ["doctor,day,slot,check_in,start,end,visit_type,status\n"]
    for number in range(6):
        free = MORNING + timedelta(days=number)
        for place in range(12):
            slot = MORNING + timedelta(days=number, minutes=10 * place)
            if chance.random() < 0.2:
                rows.append(f"A,{number},{slot.isoformat()},,,,new,no_show\n")
                continue
            here = slot + timedelta(minutes=chance.gauss(-8, 8))
            start = max(free, here)
            free = start + timedelta(minutes=chance.lognormvariate(2.2, 0.4))
            rows.append(
                f"A,{number},{slot.isoformat()},{here.isoformat()},{start.isoformat()},{free.isoformat()},return,done\n"
            )
    file = tmp_path / "log.csv"
    file.write_text("".join(rows))
    told = json.loads(evaluated(file, "--json", "--warmup", "2").stdout)
    assert told["bad_rows"]["count"] == 0
    assert told["methods"]["slot"]["mae"] > told["methods"]["ours"]["mae"]


def test_rows_of_one_visit_a_day_give_nothing_to_predict_and_say_so(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(HEADER + f"A,d,{at('09:00')},{at('09:10')}\n")
    answer = evaluated(file, "--json", "--warmup", "0")
    assert (answer.exit_code, json.loads(answer.stdout)["predictions"]) == (1, 0)
    assert "Nothing was predicted" in answer.stderr


def test_people_get_a_table_and_the_first_bad_rows_by_line(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(a_clinics_log(5) + "7,x,rubbish,\n" * 12)
    answer = evaluated(file, "--warmup", "3")
    assert answer.exit_code == 0, answer.output
    assert "position × configured minutes" in answer.stdout
    assert "line 87: start 'rubbish' is not an ISO instant" in answer.stdout
    assert "and 2 more" in answer.stdout


def test_a_file_that_is_no_log_ends_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text("nothing\n")
    answer = evaluated(file)
    assert (answer.exit_code, "The header lacks doctor, day, start, end" in answer.output) == (1, True)
