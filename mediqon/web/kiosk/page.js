// The ticket kiosk at the door: whom to see, a name if you like, a token. After a while it is ready for the next person.

import { get, postOnce } from "/web/shared/api.js";
import { clockTime, everyMinute, now } from "/web/shared/clock.js";
import { element, keepRows, mark, part, say, show, whileBusy, write } from "/web/shared/paper.js";
import { rounded } from "/web/shared/words.js";
import ar from "/web/kiosk/texts/ar.js";
import en from "/web/kiosk/texts/en.js";
import es from "/web/kiosk/texts/es.js";
import hi from "/web/kiosk/texts/hi.js";

const LOOK_EVERY_MS = 10_000;
const IDLE_MS = 30_000;
const TICKET_SHOWN_MS = 25_000;
const LANGUAGES = { en: "English", hi: "हिन्दी", es: "Español", ar: "العربية" };
const TEXTS = { en, hi, es, ar };
const key = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const path = document.body.dataset.kiosk + encodeURIComponent(key);
const at = (name) => part(document, name);

const usual = navigator.languages.map((name) => name.split("-")[0]).find((name) => name in TEXTS) ?? "en";
let texts = en;
let kiosk = null;
let chosen = null;
let ticket = null;
let trouble = null;
let step = "";
let idle = 0;

everyMinute(() => write(at("clock"), kiosk ? clockTime(now(), kiosk.timezone) : ""));
setInterval(() => step !== "ticket" && look(), LOOK_EVERY_MS);
for (const event of ["pointerdown", "keydown"]) addEventListener(event, waitForIdle);
at("back").onclick = () => turnTo("doctors");
at("done").onclick = startAnew;
at("print").onclick = () => print();
at("name").onsubmit = take;
at("languages").append(...Object.entries(LANGUAGES).map(([name, words]) => languageButton(name, words)));
speak(usual);
look();

function languageButton(name, words) {
  const button = element("button", { type: "button", class: "quiet", lang: name }, words);
  button.onclick = () => speak(name);
  return button;
}

// Says everything again in that language, whatever is on the screen.
function speak(name) {
  texts = TEXTS[name];
  Object.assign(document.documentElement, { lang: texts.lang, dir: texts.dir });
  document.title = texts.words.title;
  for (const node of document.querySelectorAll("[data-word]")) write(node, texts.words[node.dataset.word]);
  for (const button of at("languages").children) mark(button, "aria-pressed", String(button.lang === name));
  at("code").alt = texts.code;
  if (kiosk) draw();
  if (ticket) drawTicket();
  if (trouble) explain(trouble);
}

async function look() {
  try {
    kiosk = await get(path, { anonymous: true });
    trouble = null;
    draw();
    if (step === "" || step === "closed") turnTo("doctors");
  } catch (error) {
    kiosk = error.status === 404 ? null : kiosk;
    explain(error.status === 404 ? "notInUse" : "noConnection");
  }
}

function explain(name) {
  trouble = name;
  const [title, text] = texts[name];
  write(at("closed-title"), title);
  write(at("closed-text"), text);
  if (step !== "ticket") turnTo("closed");
}

function draw() {
  write(at("hospital"), kiosk.hospital);
  write(at("clock"), clockTime(now(), kiosk.timezone));
  keepRows(at("doctors"), kiosk.doctors, { key: ({ id }) => id, make: makeCard, fill: drawCard });
}

const whereIs = (doctor, ...more) => [...more, texts.room(doctor.room)].filter(Boolean).join(", ");

function makeCard() {
  return element("li", {}, element("button", { type: "button" }, element("span", { class: "what" }), element("span", { class: "more" }), element("span", { class: "more" })));
}

function drawCard(card, doctor) {
  const button = card.firstElementChild;
  const [name, where, line] = button.children;
  const closed = doctor.state === "CLOSED";
  write(name, doctor.name);
  write(where, whereIs(doctor, doctor.specialty));
  write(line, closed ? texts.closed : texts.waiting(doctor.waiting));
  button.disabled = closed;
  button.onclick = () => {
    chosen = doctor;
    write(at("chosen"), doctor.name);
    turnTo("name");
  };
}

function turnTo(next) {
  const news = step !== next;
  step = next;
  for (const section of document.querySelectorAll("[data-step]")) show(section, section.dataset.step === next);
  if (next === "doctors") {
    at("name").reset();
    say(at("status"), "");
    ticket = null;
  }
  if (news) document.querySelector(`[data-step="${next}"] h1`).focus();
  if (next === "name") at("name").elements.name.focus();
  waitForIdle();
}

// Somebody walked away: the next person starts anew, in the usual language, and sees no name.
function waitForIdle() {
  clearTimeout(idle);
  idle = setTimeout(startAnew, step === "ticket" ? TICKET_SHOWN_MS : IDLE_MS);
}

function startAnew() {
  speak(usual);
  if (step === "name" || step === "ticket") turnTo("doctors");
}

function take(event) {
  event.preventDefault();
  const name = at("name").elements.name.value.trim();
  whileBusy(at("name").querySelector(".first"), async () => {
    try {
      showTicket(await postOnce(`${path}/walk-in`, { doctor_id: chosen.id, ...(name && { name }) }));
    } catch (error) {
      say(at("status"), texts.refusals[error.code] ?? texts.refused, "bad");
    }
  });
}

function showTicket({ code, view }) {
  ticket = view;
  drawTicket();
  at("code").src = `/qr/t/${encodeURIComponent(code)}`;
  turnTo("ticket");
}

function drawTicket() {
  const { token, doctor, ahead, expected_from: from, expected_to: to, timezone } = ticket;
  write(at("token"), token);
  write(at("where"), whereIs(doctor, doctor.name));
  const between = ahead && from && texts.between(clockTime(rounded(from, Math.floor), timezone), clockTime(rounded(to, Math.ceil), timezone));
  write(at("when"), [ahead ? texts.ahead(ahead) : texts.next, between].filter(Boolean).join(texts.dir === "rtl" ? "، " : ", "));
}
