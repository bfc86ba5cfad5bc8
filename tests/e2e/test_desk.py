"""The doctor's desk in a real browser: every verb by button and by key, two devices, lost answers."""

import re

import pytest
from playwright.async_api import Locator, Page, Route, expect

from builders import Answer, Clinic
from devices import PHONE, Devices
from walk import at_desk, tab_to, waiting

pytestmark = pytest.mark.anyio

VERBS_BY_KEY = {"s": "IN_CONSULTATION", "d": "COMPLETED", "h": "ON_HOLD", "x": "NO_SHOW"}


def region(desk: Page, name: str) -> Locator:
    return desk.get_by_role("region", name=name)


def news(desk: Page, words: str) -> Locator:
    return desk.get_by_role("status").filter(has_text=words)


async def today(clinic: Clinic) -> Answer:
    return await clinic.doctor.today(clinic.doctor_id)


@pytest.mark.parametrize("key", VERBS_BY_KEY)
async def test_a_letter_is_about_the_visit_in_the_room(devices: Devices, clinic: Clinic, key: str) -> None:
    (visit,) = await waiting(clinic, "Asha")
    await clinic.doctor.call_next(clinic.doctor_id)
    desk = await at_desk(devices, clinic)
    await expect(region(desk, "In the room")).to_contain_text("A-W01")
    await desk.keyboard.press(key)
    await expect(desk.get_by_role("status").filter(has_text="A-W01 Asha.")).to_be_visible()
    assert (await clinic.doctor.get(f"/appointments/{visit['id']}"))["status"] == VERBS_BY_KEY[key]


async def test_arrows_choose_a_visit_and_its_letters_act_on_it(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha", "Ben", "Chen")
    desk = await at_desk(devices, clinic)
    await expect(region(desk, "Waiting").get_by_role("listitem")).to_have_count(3)
    await desk.keyboard.press("ArrowDown")
    await desk.keyboard.press("ArrowDown")
    await expect(desk.get_by_role("button", name="Call A-W02 Ben")).to_be_focused()
    await desk.keyboard.press("h")
    await expect(region(desk, "On hold")).to_contain_text("A-W02")
    await tab_to(desk, "Back in line A-W02 Ben")
    await desk.keyboard.press("c")
    await expect(region(desk, "Waiting").get_by_role("listitem")).to_have_count(3)


async def test_a_recall_announces_again(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha")
    await clinic.doctor.call_next(clinic.doctor_id)
    before = (await clinic.reception.get(f"/queues/{clinic.doctor_id}"))["call_seq"]
    desk = await at_desk(devices, clinic)
    await desk.get_by_role("button", name="Recall A-W01 Asha").click()
    await expect(news(desk, "Called again: A-W01 Asha.")).to_be_visible()
    assert (await clinic.reception.get(f"/queues/{clinic.doctor_id}"))["call_seq"] == before + 1


async def test_a_priority_needs_a_reason_and_says_so_in_words(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha", "Ben")
    desk = await at_desk(devices, clinic)
    await desk.get_by_role("button", name="More A-W02 Ben").click()
    await desk.get_by_role("dialog").get_by_role("button", name="Priority").click()
    asked = desk.get_by_role("dialog", name="Priority of A-W02 Ben")
    await asked.get_by_role("radio", name="Emergency").check()
    await asked.get_by_role("button", name="Set priority").click()
    await expect(asked).to_be_visible()
    await asked.get_by_label("Reason").fill("chest pain")
    await asked.get_by_role("button", name="Set priority").click()
    await expect(region(desk, "Waiting").get_by_role("listitem").first).to_contain_text("A-W02")
    await expect(region(desk, "Waiting").get_by_text("Emergency")).to_be_visible()


async def test_a_transfer_goes_to_the_other_desk(devices: Devices, clinic: Clinic) -> None:
    other, _ = await clinic.add_doctor(name="Dr Zoe Quist", token_prefix="Z")
    await waiting(clinic, "Asha")
    desk = await at_desk(devices, clinic)
    await expect(region(desk, "Waiting")).to_contain_text("A-W01")
    await desk.keyboard.press("ArrowDown")
    await desk.keyboard.press("t")
    asked = desk.get_by_role("dialog", name="Transfer A-W01 Asha")
    await asked.get_by_label("To").select_option(label="Dr Zoe Quist, General medicine")
    await asked.get_by_role("button", name="Transfer", exact=True).click()
    await expect(news(desk, "Transferred: A-W01 Asha.")).to_be_visible()
    await expect(desk.get_by_text("Nobody is waiting.")).to_be_visible()
    assert [each["token"] for each in (await clinic.reception.today(other))["waiting"]] == ["A-W01"]


async def test_a_pause_stops_calls_until_it_is_resumed(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha")
    desk = await at_desk(devices, clinic)
    await desk.get_by_role("button", name="Pause").click()
    asked = desk.get_by_role("dialog", name="Pause")
    await asked.get_by_role("radio", name="10 min").check()
    await asked.get_by_label("Reason").fill("coffee")
    await asked.get_by_role("button", name="Pause the line").click()
    await expect(desk.get_by_text("Paused until about 09:10: coffee")).to_be_visible()
    await expect(desk.get_by_role("button", name="Call next")).to_be_disabled()
    await desk.keyboard.press("b")
    await expect(desk.get_by_role("button", name="Call next")).to_be_enabled()


async def test_a_late_doctor_is_announced_and_taken_back(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha")
    desk = await at_desk(devices, clinic)
    await desk.keyboard.press("l")
    await desk.get_by_label("Minutes late").fill("25")
    await desk.keyboard.press("Enter")
    await expect(desk.get_by_text("25 min late", exact=True)).to_be_visible()
    assert (await clinic.reception.get(f"/queues/{clinic.doctor_id}"))["message"] == "Running about 25 minutes late."
    await desk.keyboard.press("u")
    await expect(desk.get_by_text("25 min late", exact=True)).to_be_hidden()


async def test_the_day_ends_only_after_who_is_open_was_named(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha", "Ben")
    desk = await at_desk(devices, clinic)
    await desk.get_by_role("button", name="End day").click()
    asked = desk.get_by_role("dialog", name="End the day?")
    await expect(asked.get_by_role("listitem")).to_have_text(["A-W01 Asha, waiting", "A-W02 Ben, waiting"])
    await asked.get_by_role("button", name="Close; who has not been seen did not come").click()
    await expect(desk.get_by_text("Closed for today")).to_be_visible()
    assert [each["status"] for each in (await today(clinic))["done"]] == ["NO_SHOW", "NO_SHOW"]
    await desk.get_by_role("button", name="Undo").click()
    await expect(region(desk, "Waiting").get_by_role("listitem")).to_have_count(2)


async def test_waiting_times_are_told_in_words_as_well_as_in_colour(devices: Devices, clinic: Clinic) -> None:
    desk = await at_desk(devices, clinic)
    now = await desk.evaluate("Date.now()")
    instants = [now - 60_000 * minutes for minutes in (2, 16, 31)]
    words = await desk.evaluate(
        """async (instants) => {
            const { drawQueue } = await import("/web/desk/list.js");
            const visit = (at, id) => ({ id, token: `A-${id}`, patient: { name: "P" }, status: "CHECKED_IN",
                priority: "NORMAL", checked_in_at: new Date(at).toISOString(), ahead: 0 });
            const waiting = instants.map(visit);
            drawQueue({ now: [], waiting, held: [], booked: [], done: [], state: "OPEN", date: "2026-11-23" },
                { role: "doctor", onVerb() {}, onMore() {} });
            return [...document.querySelectorAll("[data-part=waiting] .wait")].map((node) => node.textContent);
        }""",
        instants,
    )
    assert words == ["waits 2 min", "waits 16 min, getting long", "waits 31 min, too long"]


@pytest.mark.parametrize("path", ["call-next", "undo", "recall"])
async def test_what_was_done_but_not_answered_is_not_done_twice(devices: Devices, clinic: Clinic, path: str) -> None:
    await waiting(clinic, "Asha", "Ben", "Chen")
    await clinic.doctor.call_next(clinic.doctor_id)
    await clinic.doctor.call_next(clinic.doctor_id)
    before = await today(clinic)
    desk = await at_desk(devices, clinic)
    lost: list[Route] = []

    async def lose_first_answer(route: Route) -> None:
        if lost:
            await route.continue_()
        else:
            lost.append(route)
            await route.fetch()
            await route.abort()

    await desk.route(f"**/{path}", lose_first_answer)
    key, words = {"call-next": ("n", "Called A-W03"), "undo": ("u", "Taken back."), "recall": ("r", "Called again")}[
        path
    ]
    await expect(region(desk, "In the room")).to_contain_text("A-W02")
    await desk.keyboard.press(key)
    await expect(news(desk, words)).to_be_visible()
    assert (await today(clinic))["version"] == before["version"] + 1


async def test_a_conflict_says_who_did_what_instead(devices: Devices, clinic: Clinic) -> None:
    (visit,) = await waiting(clinic, "Asha")
    desk = await at_desk(devices, clinic)
    name = (await clinic.reception.get("/auth/me"))["name"]

    async def somebody_else_first(route: Route) -> None:
        await clinic.reception.move(visit, "NO_SHOW")
        await route.continue_()

    await desk.route("**/status", somebody_else_first)
    await desk.get_by_role("button", name="Call A-W01 Asha").click()
    words = f"The queue changed meanwhile: {name} marked as no-show A-W01 Asha."
    await expect(news(desk, words)).to_be_visible()


async def test_keys_are_listed_and_can_be_switched_off(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha")
    desk = await at_desk(devices, clinic)
    await desk.keyboard.press("?")
    listed = desk.get_by_role("dialog", name="Keys")
    for words in ("recall", "hold", "no-show", "transfer", "priority", "undo", "check in"):
        await expect(listed).to_contain_text(words)
    await listed.get_by_role("checkbox", name="Keys are on").uncheck()
    await listed.get_by_role("button", name="Close").click()
    await expect(listed).to_be_hidden()
    await desk.keyboard.press("n")
    await expect(desk.get_by_text("Nobody has been called.")).to_be_visible()
    await desk.reload()
    await expect(region(desk, "Waiting")).to_contain_text("A-W01")
    await desk.keyboard.press("n")
    await expect(desk.get_by_text("Nobody has been called.")).to_be_visible()


async def test_letters_are_text_inside_a_dialog(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha")
    desk = await at_desk(devices, clinic)
    await desk.get_by_role("button", name="Pause").click()
    await desk.get_by_role("dialog").get_by_label("Reason").press_sequentially("nuxe")
    await desk.keyboard.press("Escape")
    await expect(desk.get_by_role("dialog")).to_have_count(0)
    assert (await today(clinic))["state"] == "OPEN"
    assert len((await today(clinic))["waiting"]) == 1


async def test_a_doctor_works_on_a_phone(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha")
    desk = await at_desk(devices, clinic, size=PHONE)
    await desk.get_by_role("button", name="Call next").click()
    await expect(news(desk, "Called A-W01 Asha.")).to_be_in_viewport()
    await desk.get_by_role("button", name="More A-W01 Asha").click()
    await expect(desk.get_by_role("dialog").get_by_role("button", name=re.compile("Transfer"))).to_be_in_viewport()


async def test_everything_a_doctor_presses_all_day_is_on_one_small_screen(devices: Devices, clinic: Clinic) -> None:
    await waiting(clinic, "Asha", "Ben")
    await clinic.doctor.call_next(clinic.doctor_id)
    desk = await at_desk(devices, clinic)
    for thing in (desk.get_by_text("Add a walk-in"), desk.get_by_role("button", name="Call next")):
        await expect(thing).to_be_in_viewport(ratio=1)
