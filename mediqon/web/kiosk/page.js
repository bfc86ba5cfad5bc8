// The ticket kiosk at the door: whom to see, a name if you like, a token. After a while it is ready for the next person.

import { get, postOnce } from "/web/shared/api.js";
import { clockTime, everyMinute, now } from "/web/shared/clock.js";
import { element, part, say, show, whileBusy, write } from "/web/shared/paper.js";
import { people, range, roomName } from "/web/shared/words.js";

const LOOK_EVERY_MS = 10_000;
const IDLE_MS = 30_000;
const TICKET_SHOWN_MS = 25_000;
const key = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const path = document.body.dataset.kiosk + encodeURIComponent(key);
const at = (name) => part(document, name);

let kiosk = null;
let chosen = null;
let step = "";
let idle = 0;

everyMinute(() => write(at("clock"), kiosk ? clockTime(now(), kiosk.timezone) : ""));
setInterval(() => step !== "ticket" && look(), LOOK_EVERY_MS);
for (const event of ["pointerdown", "keydown"]) addEventListener(event, waitForIdle);
at("back").onclick = () => turnTo("doctors");
at("done").onclick = () => turnTo("doctors");
at("print").onclick = () => print();
at("name").onsubmit = take;
look();

async function look() {
  try {
    kiosk = await get(path, { anonymous: true });
    draw();
    if (step === "" || step === "closed") turnTo("doctors");
  } catch (error) {
    kiosk = error.status === 404 ? null : kiosk;
    if (error.status === 404) explain("This kiosk is not in use", "Its link was withdrawn or never existed. The reception gives you a token.");
    else explain("No connection", "It tries again by itself. The reception gives you a token meanwhile.");
  }
}

function explain(title, text) {
  write(at("closed-title"), title);
  write(at("closed-text"), text);
  if (step !== "ticket") turnTo("closed");
}

function draw() {
  write(at("hospital"), kiosk.hospital);
  write(at("clock"), clockTime(now(), kiosk.timezone));
  at("doctors").replaceChildren(...kiosk.doctors.map(doctorCard));
}

function doctorCard(doctor) {
  const closed = doctor.state === "CLOSED";
  const where = [doctor.specialty, roomName(doctor.room)].filter(Boolean).join(", ");
  const line = closed ? "closed for today" : `${doctor.waiting ? people(doctor.waiting) : "nobody"} waiting`;
  const button = element("button", { type: "button", disabled: closed }, element("span", { class: "what" }, doctor.name), element("span", { class: "more" }, where), element("span", { class: "more" }, line));
  button.onclick = () => {
    chosen = doctor;
    write(at("chosen"), doctor.name);
    turnTo("name");
  };
  return element("li", {}, button);
}

function turnTo(next) {
  const news = step !== next;
  step = next;
  for (const section of document.querySelectorAll("[data-step]")) show(section, section.dataset.step === next);
  if (next === "doctors") {
    at("name").reset();
    say(at("status"), "");
  }
  if (news) document.querySelector(`[data-step="${next}"] h1`).focus();
  if (next === "name") at("name").elements.name.focus();
  waitForIdle();
}

// Somebody walked away: the next person starts anew, and sees no name.
function waitForIdle() {
  clearTimeout(idle);
  if (step === "name" || step === "ticket") idle = setTimeout(() => turnTo("doctors"), step === "ticket" ? TICKET_SHOWN_MS : IDLE_MS);
}

function take(event) {
  event.preventDefault();
  const name = at("name").elements.name.value.trim();
  whileBusy(at("name").querySelector(".first"), async () => {
    try {
      showTicket(await postOnce(`${path}/walk-in`, { doctor_id: chosen.id, ...(name && { name }) }));
    } catch (error) {
      say(at("status"), error.message, "bad");
    }
  });
}

function showTicket({ code, view }) {
  write(at("token"), view.token);
  write(at("where"), [view.doctor.name, roomName(view.doctor.room)].filter(Boolean).join(", "));
  const ahead = view.ahead ? `${people(view.ahead)} ahead` : "You are next";
  const when = view.ahead && view.expected_from ? `, between ${range(view.expected_from, view.expected_to, view.timezone).replace("–", " and ")}` : "";
  write(at("when"), ahead + when);
  at("code").src = `/qr/t/${encodeURIComponent(code)}`;
  turnTo("ticket");
}
