"""Doctors and their hours from a CSV file: what it may look like, and what it does over the wire and on the shell."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from builders import Answer, Asker, Clinic, Server, open_clinic
from mediqon.hospitals.doctors_file import read, weekdays

pytestmark = pytest.mark.anyio

FILE = """\
Name,EMAIL,specialty,room,token_prefix,slot_minutes,days,start,end,capacity
Dr Ada Low,ada@example.org,Cardiology,7,C,15,Mon-Fri,09:00,12:00,2
Dr Ada Low,ada@example.org,,,,,Mon,14:00,16:00,
Dr Bo Lund,bo@example.org,,,B,,"Sat,Sun",10:00,12:00,
"""
FIRST = "name,email,days,start,end\n"


async def send(asker: Asker, hospital_id: int, text: str | bytes, *, dry_run: bool = False, **headers: str) -> Answer:
    body = text if isinstance(text, bytes) else text.encode()
    path = f"/hospitals/{hospital_id}/import" + ("?dry_run=true" if dry_run else "")
    return await asker.ask("POST", path, body, content_type="text/csv", **headers)


def complaints(text: str | bytes) -> list[tuple[int, str]]:
    """Line and field of all that is wrong with a file."""
    found = read(text if isinstance(text, bytes) else text.encode()).errors
    return [(error.line, error.field) for error in found]


async def week(clinic: Clinic, doctor_id: int) -> list[dict[str, Any]]:
    return (await clinic.server.anybody.get(f"/doctors/{doctor_id}/schedule"))["windows"]


def test_days_are_names_or_numbers_lists_or_ranges() -> None:
    assert weekdays("Mon-Fri") == weekdays("0-4") == weekdays("monday – friday") == [0, 1, 2, 3, 4]
    assert weekdays("Mon,Wed") == weekdays("wed mon") == weekdays("2/0") == [0, 2]
    assert weekdays("Sat-Mon") == [0, 5, 6]
    for text in ("Monkey", "7", "M", "Mon-", "-", "Mon,,", "Mon-Fri-Sun"):
        with pytest.raises(ValueError, match="no day"):
            weekdays(text)


def test_a_file_reads_the_same_from_every_spreadsheet() -> None:
    plain = read(FILE.encode())
    assert plain.errors == []
    assert read(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode()) == plain
    semicolons = FILE.replace('"Sat,Sun"', "Sat-Sun").replace(",", ";")
    assert read(semicolons.encode()) == plain
    padded = FILE.replace("09:00", " 9:00 ").replace("12:00", "12:00:00") + ",,,,,,,,,\n\n"
    assert read(padded.encode()) == plain
    quoted = FILE.replace("Dr Ada Low", '"Low, Ada ""Ace"""')
    assert read(quoted.encode()).doctors[0].about.name == 'Low, Ada "Ace"'


def test_every_line_says_what_is_wrong_with_it_all_at_once() -> None:
    text = (
        "name,email,days,start,end,slot_minutes,token_prefix,capacity\n"
        "Dr A,a.example.org,Mon-Fri,09:00,13:00,10,A,1\n"
        ",b@example.org,Funday,25:00,13:00,0,toolong,21\n"
        "Dr C,c@example.org,Mon,13:00,09:00,ten,,\n"
        "Dr D,d@example.org,Mon,09:00,13:00\n"
        "Dr Dee,d@example.org,Tue,09:00,13:00,,,\n"
        "Dr D,D@example.org,Mon-Sun,12:00,14:00\n"
        "Dr E,e@example.org,Mon,Wed,09:00,13:00,10,A,1\n"
    )
    assert complaints(text) == [
        (2, "email"),
        *((3, field) for field in ("name", "token_prefix", "slot_minutes", "days", "start", "capacity")),
        (4, "slot_minutes"),
        (6, "name"),
        (7, "start"),
        (7, "start"),
        (8, ""),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", [(1, "")]),
        (FIRST, [(1, "")]),
        ("name,email,days,start\n", [(1, "end")]),
        ("name,email,days,start,end,colour,name\n", [(1, "colour"), (1, "name")]),
        (FIRST + '"Dr A,a@example.org\n', [(2, "")]),
        (FIRST.encode() + b"Dr M\xfcller,a@example.org,Mon,09:00,10:00\n", [(2, "")]),
        (FIRST.encode("utf-16"), [(1, "")]),
        (FIRST + "Dr\x00A,a@example.org,Mon,09:00,10:00\n", [(2, "name")]),
        (FIRST + "".join(f"D,d{n}@x,Mon,09:00,10:00\n" for n in range(101)), [(1, "")]),
        ("{}", [(1, "{}"), (1, "name"), (1, "email"), (1, "days"), (1, "start"), (1, "end")]),
    ],
)
def test_a_broken_file_is_told_by_line(text: str | bytes, expected: list[tuple[int, str]]) -> None:
    assert complaints(text) == expected


def test_an_endless_list_of_errors_is_cut() -> None:
    assert len(complaints(FIRST + "x\n" * 20_000)) == 500


async def test_new_doctors_come_with_their_week_and_a_password_told_once(clinic: Clinic, server: Server) -> None:
    answer = await send(clinic.reception, clinic.hospital_id, FILE)
    assert (answer.status, answer["created"], answer["updated"]) == (200, 2, 0)
    ada, bo = answer["doctors"]
    assert await week(clinic, ada["id"]) == [
        {"weekday": 0, "start": "09:00", "end": "12:00", "capacity": 2},
        {"weekday": 0, "start": "14:00", "end": "16:00", "capacity": 1},
        *({"weekday": day, "start": "09:00", "end": "12:00", "capacity": 2} for day in range(1, 5)),
    ]
    listed = (await server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors"))["items"]
    assert {"room": "7", "token_prefix": "C", "slot_minutes": 15}.items() <= listed[1].items()
    assert {"name": "Dr Bo Lund", "token_prefix": "B", "slot_minutes": 10}.items() <= listed[2].items()
    doctor = await server.log_in("bo@example.org", bo["password"])
    assert (await doctor.get("/auth/me"))["doctor_id"] == bo["id"]


async def test_a_known_doctor_is_changed_where_the_file_says_something_and_the_screen_follows(
    clinic: Clinic, server: Server
) -> None:
    email = (await clinic.doctor.get("/auth/me"))["email"]
    text = f"name,email,room,days,start,end\nDr Anna Rao,{email.upper()},,Mon,08:00,10:00\n"
    async with server.watch(f"/live/queues/{clinic.doctor_id}") as screen:
        await screen.frame()
        answer = await send(clinic.reception, clinic.hospital_id, text)
        assert (await screen.frame())["doctor"] == "Dr Anna Rao"
    assert (answer["created"], answer["updated"], answer["doctors"][0]["password"]) == (0, 1, None)
    assert answer["doctors"][0]["id"] == clinic.doctor_id
    assert await week(clinic, clinic.doctor_id) == [{"weekday": 0, "start": "08:00", "end": "10:00", "capacity": 1}]
    doctor = (await server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors"))["items"][0]
    assert (doctor["name"], doctor["room"], doctor["token_prefix"]) == ("Dr Anna Rao", "3", "A")


async def test_any_error_and_nothing_is_written(clinic: Clinic, server: Server) -> None:
    elsewhere = await open_clinic(server)
    foreign, patient, own = [
        (await asker.get("/auth/me"))["email"] for asker in (elsewhere.doctor, await server.patient(), clinic.reception)
    ]
    row = "Dr X,{},Mon,09:00,10:00\n"
    text = FIRST + "".join(row.format(email) for email in ("new@example.org", foreign, patient, own)) + "Dr Y\n"
    for dry_run in (True, False):
        answer = await send(clinic.reception, clinic.hospital_id, text, dry_run=dry_run)
        assert (answer.status, answer["code"]) == (400, "import_errors")
        assert [(error["line"], error["field"]) for error in answer["errors"]] == [
            *((line, "email") for line in (3, 4, 5)),
            *((6, field) for field in ("email", "days", "start", "end")),
        ]
    assert len((await server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors"))["items"]) == 1


async def test_a_dry_run_says_what_would_happen_and_writes_nothing(clinic: Clinic, server: Server) -> None:
    email = (await clinic.doctor.get("/auth/me"))["email"]
    before = await week(clinic, clinic.doctor_id)
    text = f"{FIRST}Dr New,new@example.org,Mon,09:00,10:00\nDr Rao,{email},Mon,09:00,10:00\n"
    answer = await send(clinic.reception, clinic.hospital_id, text, dry_run=True)
    assert (answer.status, answer["dry_run"], answer["created"], answer["updated"]) == (200, True, 1, 1)
    assert [(doctor["id"], doctor["password"]) for doctor in answer["doctors"]] == [
        (None, None),
        (clinic.doctor_id, None),
    ]
    assert len((await server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors"))["items"]) == 1
    assert await week(clinic, clinic.doctor_id) == before


async def test_a_repetition_is_answered_without_the_passwords(clinic: Clinic) -> None:
    first, again = [await send(clinic.reception, clinic.hospital_id, FILE, idempotency_key="monday") for _ in range(2)]
    assert all(doctor["password"] for doctor in first["doctors"])
    assert (again.status, again.headers["idempotent-replay"], again["created"]) == (200, "true", 2)
    assert [doctor["password"] for doctor in again["doctors"]] == [None, None]


async def test_two_imports_of_one_file_at_once_make_each_doctor_once(clinic: Clinic, server: Server) -> None:
    backwards = FIRST + "".join(f"D{n},d{n}@example.org,Mon,09:00,10:00\n" for n in (3, 2, 1))
    forwards = FIRST + "".join(f"D{n},d{n}@example.org,Mon,09:00,10:00\n" for n in (1, 2, 3))
    answers = await asyncio.gather(
        *(send(clinic.reception, clinic.hospital_id, text) for text in (forwards, backwards, forwards))
    )
    assert {answer.status for answer in answers} <= {200, 409}
    assert len((await server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors"))["items"]) == 4


async def test_an_import_is_for_the_own_hospital_and_has_an_end(clinic: Clinic, server: Server) -> None:
    elsewhere = await open_clinic(server)
    for asker, status in [(elsewhere.reception, 404), (clinic.doctor, 403), (server.anybody, 401)]:
        assert (await send(asker, clinic.hospital_id, FILE)).status == status
        assert (await send(asker, clinic.hospital_id, FILE, dry_run=True)).status == status
    assert (await send(clinic.reception, clinic.hospital_id, FIRST + "x" * 70_000)).status == 413
    for query in ("dry_run=maybe", "dryrun=true"):
        path = f"/hospitals/{clinic.hospital_id}/import?{query}"
        assert (await clinic.reception.ask("POST", path, FILE.encode())).status == 400
    assert len((await server.anybody.get(f"/hospitals/{clinic.hospital_id}/doctors"))["items"]) == 1


async def test_the_shell_imports_beside_a_running_server(clinic: Clinic, server: Server, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(FILE)
    bad.write_text(FIRST + "Dr A,nobody,Mon,09:00,10:00\n")
    number = str(clinic.hospital_id)

    status, told, _ = await shell(server, str(good), "--hospital", number, "--dry-run")
    assert (status, told.splitlines()[-1]) == (0, "2 doctors would be new, 0 would be changed.")
    status, told, _ = await shell(server, str(bad), "--hospital", number, "--json")
    assert (status, [error["line"] for error in json.loads(told)["errors"]]) == (1, [2])
    status, _, complaint = await shell(server, str(bad), "--hospital", number)
    assert (status, "line 2: email" in complaint, "Nothing was imported." in complaint) == (1, True, True)
    status, _, complaint = await shell(server, str(good), "--hospital", "999")
    assert (status, "no such hospital" in complaint) == (1, True)
    status, told, _ = await shell(server, str(good), "--hospital", number, "--json")
    imported = json.loads(told)
    assert (status, imported["created"]) == (0, 2)
    await server.log_in("ada@example.org", imported["doctors"][0]["password"])


async def shell(server: Server, *arguments: str) -> tuple[int | None, str, str]:
    """`mediqon import-doctors …`: its status, what it prints, and what it complains of."""
    environment = {**os.environ, **server.settings.as_environment()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mediqon", "import-doctors", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()
