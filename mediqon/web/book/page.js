// Booking: hospital, doctor, day, time, confirm. A time taken meanwhile is explained and the next one offered.

import { logout, postOnce } from "/web/shared/api.js";
import { clockTime } from "/web/shared/clock.js";
import { mark, part, show, whileBusy, write } from "/web/shared/paper.js";
import { loggedInPatient } from "/web/book/account.js";
import { offerDays, offerDoctors, offerHospitals, offerTimes, withdraw } from "/web/book/choices.js";
import { dayWords, hush, inWords, pageOf, problemWords, tell, texts } from "/web/book/language.js";
import { showMine } from "/web/book/mine.js";

const at = (name) => part(document, name);
const form = at("visit");
const STEPS = ["hospital", "doctor", "day", "time"];
const NOT_FREE = new Set(["slot_taken", "slot_unavailable", "slot_past"]);

let hospitals = [];
let doctors = [];
let hospital = null;
let doctor = null;

form.addEventListener("change", ({ target }) => STEPS.includes(target.name) && attempt(() => chosen(target.name, target.value)));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  book();
});
at("logout").addEventListener("click", async () => {
  await logout();
  location.reload();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && doctor && pick("day")) offerTimes(doctor, hospital, pick("day"), pick("time")).then(drawConfirm, () => {});
});

enter();

async function enter(reason) {
  show(at("booking"), false);
  const user = await loggedInPatient(reason);
  write(at("name"), user.name);
  show(at("who"), true);
  show(at("booking"), true);
  await attempt(async () => {
    hospitals = await offerHospitals();
    if (hospitals.length === 0) tell(at("status"), () => texts.noHospital);
    if (hospitals.length === 1) await chosen("hospital", hospitals[0].id);
    await showMine(hospitals);
  });
}

function pick(name) {
  return new FormData(form).get(name);
}

async function chosen(step, value) {
  withdraw(STEPS.slice(STEPS.indexOf(step) + 1));
  show(at("confirm"), false);
  if (step === "hospital") await chooseHospital(Number(value));
  if (step === "doctor") await chooseDoctor(Number(value));
  if (step === "day") await offerTimes(doctor, hospital, value);
  if (step === "time") drawConfirm();
}

async function chooseHospital(id) {
  hospital = hospitals.find((one) => one.id === id);
  doctors = (await offerDoctors(id)) ?? doctors;
}

async function chooseDoctor(id) {
  doctor = doctors.find((one) => one.id === id);
  await offerDays(doctor, hospital);
}

function drawConfirm() {
  const time = pick("time");
  show(at("confirm"), Boolean(time));
  if (time) sayVisit(at("summary"), pick("day"), time);
}

function sayVisit(node, date, time) {
  const { name } = doctor;
  inWords(node, () => write(node, [dayWords(date), time, name].join(texts.comma)));
}

// While it is being booked, nothing else can be chosen.
function book() {
  const reason = pick("reason").trim();
  const wish = { doctor_id: doctor.id, date: pick("day"), time: pick("time") };
  const choosable = (open) => STEPS.forEach((step) => (at(`${step}-step`).inert = !open));
  choosable(false);
  return whileBusy(at("book"), () => attempt(async () => showBooked(await postOnce("/appointments/book", reason ? { ...wish, reason } : wish)))).finally(() => choosable(true));
}

async function showBooked(visit) {
  const time = clockTime(visit.scheduled_at, hospital.timezone);
  write(at("booked-token"), visit.token);
  sayVisit(at("booked-when"), visit.date, time);
  inWords(at("booked-link"), () => mark(at("booked-link"), "href", pageOf(visit)));
  at("booked-code").src = `/qr/t/${encodeURIComponent(visit.code)}`;
  show(at("booked"), true);
  withdraw(STEPS.slice(1));
  show(at("confirm"), false);
  form.reset();
  if (hospitals.length === 1) await chosen("hospital", hospital.id);
  document.getElementById("booked-heading").focus();
  at("booked").scrollIntoView({ block: "center" });
  await showMine(hospitals);
}

/** Does something and puts what went wrong into words; the way out is offered where there is one. */
async function attempt(work) {
  hush(at("status"));
  show(at("take-next"), false);
  try {
    await work();
  } catch (error) {
    if (error.status === 401) return enter(() => texts.again);
    tell(at("status"), () => problemWords(error), "bad");
    if (NOT_FREE.has(error.code)) await offerNext(error.problem.next_free);
  }
}

async function offerNext(time) {
  const button = at("take-next");
  show(at("confirm"), false);
  await offerTimes(doctor, hospital, pick("day")).catch(() => {});
  if (!time) return;
  inWords(button, () => write(button, texts.take(time)));
  button.onclick = () => attempt(() => takeInstead(time));
  show(button, true);
  button.focus();
}

async function takeInstead(time) {
  await offerTimes(doctor, hospital, pick("day"), time);
  drawConfirm();
  at("book").focus();
}
