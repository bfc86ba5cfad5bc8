"""The booking page in four languages: a visit booked wholly in one, what a switch keeps, nothing left in English."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, ViewportSize, expect

from axe import barriers
from builders import PASSWORD, Clinic, Server, numbers
from devices import DESKTOP, PHONE, SMALL_PHONE, Devices
from mediqon.web.languages import LANGUAGES
from walk import hold_back, let_go

pytestmark = pytest.mark.anyio

SHAPES = """async (page) => {
    const shape = (text) =>
        typeof text === "function" ? text.length : text && typeof text === "object"
            ? Object.fromEntries(Object.keys(text).map((name) => [name, shape(text[name])])) : typeof text;
    const languages = ["en", "hi", "es", "ar"];
    const texts = await Promise.all(languages.map((name) => import(`/web/${page}/texts/${name}.js`)));
    return Object.fromEntries(texts.map((text, n) => [languages[n], shape(text.default)]));
}"""
IN_SIGHT = """() => {
    const seen = [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility());
    const own = (node) => [...node.childNodes].filter((each) => each.nodeType === 3).map((each) => each.data);
    const said = seen.flatMap((node) => [...own(node), node.getAttribute("aria-label"), node.getAttribute("alt")]);
    return [document.title, ...said].map((text) => text?.trim()).filter(Boolean);
}"""
"""Every text that is shown or read out."""
PLACES = """() => ["[name=email]", "[name=password]", ".first", "nav button"].map((name) =>
    [...document.querySelectorAll(name)].filter((node) => node.checkVisibility())
        .map((node) => node.getBoundingClientRect()).map(({ y, height }) => [y, height]))"""
DAY_IN_WORDS = """({ valueAsDate }, locale) =>
    valueAsDate.toLocaleDateString(locale, { timeZone: "UTC", day: "numeric", month: "long" })"""
LATIN = re.compile(r"[A-Za-zñ]{2,}")
GIVEN = {"Mediqon", "English", "Español", "Asha", "Iyer", "St", "Mary", "Dr", "Rao", "General", "medicine", "QR"}
"""Names, and the languages' own."""


async def words(page: Page, language: str) -> dict[str, Any]:
    """The page's texts that are plain words."""
    return await page.evaluate(
        f"async () => JSON.parse(JSON.stringify((await import('/web/book/texts/{language}.js')).default))"
    )


async def at_book(devices: Devices, clinic: Clinic, language: str, **asked: Any) -> tuple[Page, dict[str, Any]]:
    page = await devices.open(f"{clinic.server.url}/book?lang={language}", size=asked.pop("size", PHONE), **asked)
    return page, await words(page, language)


async def register(page: Page, said: dict[str, Any]) -> None:
    word = said["words"]
    await page.get_by_role("button", name=word["newHere"]).click()
    form = page.get_by_role("form", name=word["register"])
    await form.get_by_label(word["name"], exact=True).fill("Asha Iyer")
    await form.get_by_label(word["email"]).fill(f"asha{next(numbers)}@example.org")
    await form.get_by_label(word["password"]).fill(PASSWORD)
    await form.get_by_role("button", name=word["create"]).click()


async def choose(page: Page, said: dict[str, Any], time: str) -> None:
    await page.get_by_role("radio", name="Dr A. Rao").check()
    await page.get_by_role("radio", name=said["tomorrow"]).check()
    await page.get_by_role("radio", name=time).check()


async def nothing_is_wrong(page: Page, language: str) -> None:
    """No word of English, no barrier, no scrolling sideways."""
    width = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    assert await barriers(page) == []
    english, own, seen = await words(page, "en"), await words(page, language), await page.evaluate(IN_SIGHT)
    assert set(seen) & spoken(english) <= spoken(own)
    if language in ("hi", "ar"):
        assert {word for text in seen for word in LATIN.findall(text)} <= GIVEN


def spoken(texts: Any) -> set[str]:
    """Every text in it."""
    if isinstance(texts, str):
        return {texts}
    return {text for each in texts.values() for text in spoken(each)}  # pyright: ignore[reportUnknownVariableType]


@pytest.mark.parametrize("page", ["book", "kiosk", "display"])
async def test_every_language_says_the_same_things(devices: Devices, server: Server, page: str) -> None:
    shapes = await (await devices.open(server.url)).evaluate(SHAPES, page)
    assert tuple(shapes) == LANGUAGES
    for language in LANGUAGES:
        assert shapes[language] == shapes["en"], language


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_visit_is_booked_moved_and_cancelled_wholly_in_one_language(
    devices: Devices, today: Clinic, language: str
) -> None:
    page, said = await at_book(devices, today, language)
    word = said["words"]
    await nothing_is_wrong(page, language)
    await expect(page.locator("html")).to_have_attribute("dir", said["dir"])
    await register(page, said)
    await choose(page, said, "10:00")
    await nothing_is_wrong(page, language)
    await page.get_by_role("button", name=word["book"]).click()
    booked = page.get_by_role("region", name=word["booked"])
    await expect(booked).to_contain_text("A-061")
    await nothing_is_wrong(page, language)

    mine = page.get_by_role("region", name=word["mine"])
    await mine.locator("[data-part=move]").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label(word["time"]).select_option("11:00")
    day = await dialog.get_by_label(word["day"]).evaluate(DAY_IN_WORDS, said["locale"])
    await expect(dialog.get_by_text(day)).to_be_visible()
    await nothing_is_wrong(page, language)
    await dialog.get_by_role("button", name=word["move"]).click()
    await expect(mine).to_contain_text(f"11:00 · {said['status']['BOOKED']}")
    await mine.locator("[data-part=cancel]").click()
    await nothing_is_wrong(page, language)
    await page.get_by_role("button", name=word["really"]).click()
    await expect(mine).to_contain_text(said["status"]["CANCELLED"])
    await nothing_is_wrong(page, language)
    await booked.get_by_role("link", name=word["followLine"]).click()
    await expect(page.locator("html")).to_have_attribute("lang", language)


@pytest.mark.parametrize("language", ["es", "ar"])
async def test_refusals_are_told_in_the_language_of_the_page_also_of_the_one_chosen_next(
    devices: Devices, today: Clinic, language: str
) -> None:
    page, said = await at_book(devices, today, language)
    await page.get_by_label(said["words"]["email"]).first.fill("nobody@example.org")
    await page.get_by_label(said["words"]["password"]).first.fill("not the password")
    await page.get_by_role("button", name=said["words"]["login"]).click()
    await expect(page.get_by_text(said["problems"]["invalid_credentials"])).to_be_visible()
    await register(page, said)
    await choose(page, said, "10:00")
    day = await page.get_by_role("radio", name=said["tomorrow"]).input_value()
    faster = await today.server.patient()
    assert (await faster.book(today.doctor_id, date=day, time="10:00")).status == 201
    await page.get_by_role("button", name=said["words"]["book"]).click()
    await expect(page.get_by_text(said["problems"]["slot_taken"])).to_be_visible()
    await nothing_is_wrong(page, language)
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_text("Somebody was quicker: this time is taken.")).to_be_visible()
    await page.get_by_role("button", name="Take 10:10 instead").click()
    await page.get_by_role("button", name="Book this visit").click()
    await expect(page.get_by_role("region", name="Your visit is booked")).to_contain_text("A-062")


async def test_what_the_browser_would_complain_of_is_told_by_the_page(devices: Devices, clinic: Clinic) -> None:
    page, said = await at_book(devices, clinic, "ar")
    email = page.get_by_label(said["words"]["email"]).first
    await page.get_by_role("button", name=said["words"]["login"]).click()
    assert await email.evaluate("node => node.validationMessage") == "يرجى التحقق من: البريد الإلكتروني."
    await email.fill("asha@example.org")
    assert await email.evaluate("node => node.validationMessage") == ""


async def test_a_guessable_password_is_explained_in_the_language_of_the_page(devices: Devices, clinic: Clinic) -> None:
    page, said = await at_book(devices, clinic, "es")
    word = said["words"]
    await page.get_by_role("button", name=word["newHere"]).click()
    form = page.get_by_role("form", name=word["register"])
    await form.get_by_label(word["name"], exact=True).fill("Asha Iyer")
    await form.get_by_label(word["email"]).fill("asha@example.org")
    await form.get_by_label(word["password"]).fill("password123")
    await form.get_by_role("button", name=word["create"]).click()
    await expect(page.get_by_text(said["guessable"])).to_be_visible()


async def test_a_switch_keeps_what_was_typed_and_chosen_and_where_the_focus_was(
    devices: Devices, today: Clinic
) -> None:
    page, said = await at_book(devices, today, "en")
    await page.get_by_label("E-mail").first.fill("half@exam")
    await page.get_by_role("button", name="Español").click()
    await expect(page.get_by_label("Correo electrónico").first).to_have_value("half@exam")
    await page.get_by_role("button", name="English").click()
    await register(page, said)
    await choose(page, said, "10:00")
    await page.get_by_label("Reason").fill("A cough")
    arabic = page.get_by_role("button", name="العربية")
    await arabic.press("Enter")
    await expect(arabic).to_be_focused()
    await expect(arabic).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_label("السبب")).to_have_value("A cough")
    await expect(page.get_by_role("radio", name="غدًا")).to_be_checked()
    await expect(page.get_by_role("heading", name="10:00، Dr A. Rao")).to_be_visible()
    await page.get_by_role("button", name="احجز هذه الزيارة").click()
    await expect(page.get_by_role("region", name="تم حجز زيارتك")).to_contain_text("A-061")


async def test_a_question_asked_before_a_switch_is_answered_in_the_language_after_it(
    devices: Devices, today: Clinic
) -> None:
    page, said = await at_book(devices, today, "en")
    await register(page, said)
    days = f"**/doctors/{today.doctor_id}/schedule"
    held = await hold_back(page, days)
    await page.get_by_role("radio", name="Dr A. Rao").check()
    await page.get_by_role("button", name="हिन्दी").click()
    await let_go(page, days, held)
    await expect(page.get_by_role("radio", name="आज")).to_be_visible()


async def test_the_language_is_the_browsers_until_one_is_chosen_and_then_remembered(
    devices: Devices, server: Server
) -> None:
    page = await devices.open(server.url, size=PHONE)
    await page.add_init_script("Object.defineProperty(navigator, 'languages', { value: ['de', 'hi-IN', 'en'] })")
    language = page.locator("html")
    await page.goto(f"{server.url}/book")
    await expect(language).to_have_attribute("lang", "hi")
    await page.get_by_role("button", name="Español").click()
    await expect(page).to_have_url(f"{server.url}/book?lang=es")
    for path, expected in (("/book", "es"), ("/book?lang=AR-eg", "ar"), ("/book?lang=constructor", "es")):
        await page.goto(server.url + path)
        await expect(language).to_have_attribute("lang", expected)


@pytest.mark.parametrize("size", [SMALL_PHONE, PHONE, DESKTOP])
async def test_nothing_jumps_when_the_language_is_switched(
    devices: Devices, server: Server, size: ViewportSize
) -> None:
    page = await devices.open(f"{server.url}/book", size=size)
    await expect(page.get_by_role("form", name="Log in")).to_be_visible()
    before = await page.evaluate(PLACES)
    for language in ("हिन्दी", "Español", "العربية"):
        await page.get_by_role("button", name=language).click()
        assert await page.evaluate(PLACES) == before
