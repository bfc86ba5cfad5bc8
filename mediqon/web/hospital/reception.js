// The reception: everybody of today with every doctor, found by a few letters; walk-ins, bookings by telephone, tickets.

import { accessToken, get, postOnce, spoilAccessToken } from "/web/shared/api.js";
import { clockTime, dateOf, dayName, duration, everyMinute, minutesSince, now } from "/web/shared/clock.js";
import { LiveLine } from "/web/shared/live.js";
import { copyOf, element, keepRows, mark, part, show, write } from "/web/shared/paper.js";
import { offerFreeTimes } from "/web/shared/times.js";
import { about, liveState, liveWords, roomName, STATUS } from "/web/shared/words.js";
import { labelOf, VERBS, verbsFor } from "/web/desk/verbs.js";
import { offerDoctors, onSend, sure } from "/web/hospital/asking.js";

const AT_HAND = ["checkIn", "noShow", "cancel"];
const OVER = new Set(["COMPLETED", "NO_SHOW", "CANCELLED"]);
const at = (name) => part(document, name);

let house = null;
let lines = new Map();
const queues = new Map();

export function openReception(here) {
  house = here;
  watch();
  for (const form of ["walk-in", "booking"]) offerDoctors(at(form).elements.doctor_id, house.doctors);
  at("booking").elements.date.value ||= dateOf(now(), house.timezone);
  onSend(at("walk-in"), house.act, giveToken);
  onSend(at("booking"), house.act, book);
  at("booking").elements.date.onchange = at("booking").elements.doctor_id.onchange = () => house.act(null, offerTimes);
  at("search").oninput = draw;
  draw();
  return house.doctors.length ? offerTimes() : undefined;
}

export function closeReception() {
  for (const { line } of lines.values()) line.close();
  lines = new Map();
  queues.clear();
}

everyMinute(() => house && draw());

function watch() {
  for (const { id } of house.doctors) {
    if (lines.has(id)) continue;
    const held = { liveness: { live: false, connecting: true } };
    held.line = new LiveLine(document.body.dataset.deskLine + id, {
      onFrame: (frame) => {
        queues.set(id, frame);
        draw();
      },
      onLiveness: (news) => {
        held.liveness = news;
        drawLive();
      },
      subprotocols: async () => {
        const token = await accessToken();
        return token && ["mediqon", `bearer.${token}`];
      },
      renew: spoilAccessToken,
      poll: () => fetchQueue(id),
    });
    lines.set(id, held);
    held.line.open();
  }
}

async function fetchQueue(id) {
  lines.get(id)?.line.offer(await get(`/appointments/doctor/${id}/today`));
  return 0;
}

// The page is as live as the line that has been silent the longest.
function drawLive() {
  const worst = [...lines.values()].map(({ liveness }) => liveness).sort((a, b) => a.live - b.live || (a.since ?? 0) - (b.since ?? 0))[0];
  if (!worst) return;
  at("live").dataset.state = liveState(worst);
  write(at("live"), liveWords(worst, house.timezone));
}

function draw() {
  const wanted = at("search").value.trim().toLowerCase();
  const all = [...queues.values()].flatMap((queue) => [...queue.now, ...queue.waiting, ...queue.held, ...queue.booked, ...queue.done].map((visit) => ({ visit, queue })));
  const found = all.filter(({ visit }) => (wanted ? `${visit.token} ${visit.patient.name}`.toLowerCase().includes(wanted) : !OVER.has(visit.status)));
  write(at("found"), wanted ? `${found.length} of ${all.length} today` : `${found.length} here or expected today`);
  keepRows(at("visits"), found, { key: ({ visit }) => visit.id, make: () => copyOf("visit"), fill: drawVisit });
}

function drawVisit(row, { visit, queue }) {
  write(part(row, "token"), visit.token);
  write(part(row, "name"), visit.patient.name);
  write(part(row, "detail"), detail(visit, queue));
  const allowed = verbsFor(visit, "hospital").filter((name) => AT_HAND.includes(name));
  keepRows(part(row, "actions"), [...allowed, "ticket"], {
    key: (name) => name,
    make: (name) => element("button", { type: "button", class: name === "checkIn" ? null : (VERBS[name]?.look ?? "quiet") }),
    fill: (button, name) => drawButton(button, name, visit, queue),
  });
}

function drawButton(button, name, visit, queue) {
  const label = name === "ticket" ? "Ticket" : name === "cancel" ? "Cancel" : labelOf(name, visit);
  write(button, label);
  mark(button, "aria-label", `${label} ${visit.token} ${visit.patient.name}`);
  button.onclick = name === "ticket" ? () => showTicket(visit, queue) : () => act(name, visit, button);
}

async function act(name, visit, button) {
  if (name === "cancel" && !(await sure(`Cancel ${visit.token} ${visit.patient.name}?`, "A seat that nobody has checked in to is free again at once.", "Cancel the visit"))) return;
  await house.act(button, async () => {
    await VERBS[name].send(visit, {});
    return `${VERBS[name].done}: ${visit.token} ${visit.patient.name}.`;
  });
  await fetchQueue(visit.doctor_id).catch(() => {});
}

function detail(visit, queue) {
  const time = (instant) => clockTime(instant, queue.timezone);
  const booked = visit.scheduled_at ? `booked ${time(visit.scheduled_at)}` : "walk-in";
  const late = visit.late_minutes ? `, says ${visit.late_minutes} min late` : "";
  const waits = visit.status === "CHECKED_IN" ? ` for ${duration(minutesSince(visit.checked_in_at))}` : "";
  const expected = visit.expected_at && visit.ahead > 0 ? ` · expected ${about(visit.expected_at, queue.timezone)}` : "";
  return `${queue.doctor} · ${STATUS[visit.status]}${waits} · ${booked}${late}${expected}`;
}

const patientOf = ({ name, phone }) => (phone ? { name, phone } : { name });

async function giveToken({ doctor_id, priority, ...person }) {
  const visit = await postOnce("/appointments/walk-in", { doctor_id: Number(doctor_id), patient: patientOf(person), priority });
  return showNew(visit, "is in line");
}

async function book({ doctor_id, date, time, ...person }) {
  const visit = await postOnce("/appointments/book", { doctor_id: Number(doctor_id), date, time, patient: patientOf(person) });
  setTimeout(() => {
    at("booking").elements.date.value = date;
    offerTimes().catch(() => {});
  });
  return showNew(visit, `is booked for ${dayName(visit.date)}`);
}

async function showNew(visit, words) {
  await fetchQueue(visit.doctor_id).catch(() => {});
  const doctor = house.doctors.find(({ id }) => id === visit.doctor_id);
  showTicket(visit, { doctor: doctor.name, room: doctor.room, timezone: house.timezone });
  return `${visit.token} ${visit.patient.name} ${words}.`;
}

async function offerTimes() {
  const { doctor_id, date, time } = at("booking").elements;
  await offerFreeTimes(time, doctor_id.value, date.value, { label: (slot) => `${slot.time}, ${slot.token}` });
  return "";
}

function showTicket(visit, where) {
  writeTicket(visit, where);
  show(at("ticket"), true);
  at("ticket").showModal();
}

function writeTicket(visit, where) {
  const { doctor, room, timezone } = where;
  write(at("ticket-hospital"), house.name);
  write(at("ticket-token"), visit.token);
  write(at("ticket-where"), [doctor, roomName(room)].filter(Boolean).join(", "));
  write(at("ticket-when"), visit.scheduled_at ? `${dayName(visit.date)}, ${clockTime(visit.scheduled_at, timezone)}` : dayName(visit.date));
  at("ticket-code").src = `/qr/t/${encodeURIComponent(visit.code)}`;
  at("new-code").onclick = () => house.act(at("new-code"), () => renewLink(visit, where));
  at("print").onclick = () => print();
}

// Whoever has seen the old one, on paper or on a screen, can follow no more.
async function renewLink(visit, where) {
  writeTicket(await postOnce(`/appointments/${visit.id}/new-code`), where);
  return `${visit.token} has a new link; the old one is unknown.`;
}
