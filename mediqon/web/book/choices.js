// The four choices of a booking, each a row of large radio buttons: hospital, doctor, day, time.

import { get } from "/web/shared/api.js";
import { clockTime, dateOf, daysAfter, now } from "/web/shared/clock.js";
import { answerFor, copyOf, element, mark, part, show, write } from "/web/shared/paper.js";
import { dayWords, inWords, texts } from "/web/book/language.js";

const NOON = "12:00";
const EVENING = "17:00";
const LISTS = { doctor: "doctors", day: "days", time: "times" };
const at = (name) => part(document, name);

/** Takes these steps away, with what was chosen in them. */
export function withdraw(steps) {
  for (const step of steps) {
    show(at(`${step}-step`), false);
    at(LISTS[step]).replaceChildren();
  }
}

// Each choice makes the questions of the one before it pointless.
const ask = (path) => answerFor(at("visit"), get(path));

/** Radio buttons in `place`; each item is `{value, what, more?, disabled?}`, `what` and `more` say it in words. */
function offer(place, name, items, chosen) {
  place.replaceChildren(...items.map((item) => radio(name, item, chosen)));
}

function radio(name, { value, what, more, disabled }, chosen) {
  const label = copyOf("choice");
  const input = label.querySelector("input");
  Object.assign(input, { name, value, disabled: Boolean(disabled), defaultChecked: String(value) === String(chosen) });
  if (!more) label.querySelector(".more").remove();
  inWords(label, () => {
    write(label.querySelector(".what"), what());
    if (more) write(label.querySelector(".more"), more());
  });
  return label;
}

/** Shows the hospitals; answers with them. */
export async function offerHospitals() {
  const hospitals = await get("/hospitals");
  const only = hospitals.length === 1 ? hospitals[0].id : null;
  offer(at("hospitals"), "hospital", hospitals.map(({ id, name }) => ({ value: id, what: () => name })), only);
  return hospitals;
}

/** Shows a hospital's doctors; answers with them, or null when something else was chosen meanwhile. */
export async function offerDoctors(hospitalId) {
  const doctors = await ask(`/hospitals/${hospitalId}/doctors`);
  if (!doctors) return null;
  const items = doctors.map(({ id, name, specialty, room }) => ({ value: id, what: () => name, more: () => [specialty, texts.room(room)].filter(Boolean).join(texts.comma) }));
  offer(at("doctors"), "doctor", items);
  show(at("doctor-step"), true);
  return doctors;
}

/** Shows the coming days in the hospital's own calendar; days on which the doctor has no hours cannot be chosen. */
export async function offerDays(doctor, hospital) {
  const hours = await answerFor(at("visit"), Promise.all([get(`/doctors/${doctor.id}/schedule`), get(`/doctors/${doctor.id}/schedule-dates`)]));
  if (!hours) return;
  const [schedule, special] = hours;
  const week = new Set(schedule.windows.map(({ weekday }) => weekday));
  const ownHours = new Map(special.dates.map(({ date, windows }) => [date, windows.length > 0]));
  const open = (date) => ownHours.get(date) ?? week.has(weekday(date));
  const today = dateOf(now(), hospital.timezone);
  const dates = Array.from({ length: Number(document.body.dataset.days) }, (_, days) => daysAfter(today, days));
  offer(at("days"), "day", dates.map((date, days) => dayItem(date, days, open(date))));
  show(at("day-step"), true);
}

function dayItem(date, days, open) {
  const what = () => (days === 0 ? texts.today : days === 1 ? texts.tomorrow : dayWords(date, { weekday: "long" }));
  const more = () => (open ? dayWords(date, { day: "numeric", month: "short" }) : texts.noHours);
  return { value: date, what, more, disabled: !open };
}

// Monday is 0, as in the contract.
function weekday(date) {
  return (new Date(`${date}T12:00:00Z`).getUTCDay() + 6) % 7;
}

/** Shows a day's times that are still to come, morning, afternoon and evening apart. */
export async function offerTimes(doctor, hospital, date, chosen) {
  const answer = await ask(`/doctors/${doctor.id}/slots?date=${date}`);
  if (!answer) return;
  const over = date === dateOf(now(), hospital.timezone) ? clockTime(now(), hospital.timezone) : "";
  const slots = answer.slots.filter(({ time, free }) => free || time > over);
  const parts = [
    ["morning", slots.filter(({ time }) => time < NOON)],
    ["afternoon", slots.filter(({ time }) => time >= NOON && time < EVENING)],
    ["evening", slots.filter(({ time }) => time >= EVENING)],
  ];
  at("times").replaceChildren(...parts.filter(([, times]) => times.length).map(([name, times]) => partOfDay(name, times, chosen)));
  if (!slots.some(({ free }) => free)) at("times").append(nothingFree());
  show(at("time-step"), true);
}

function partOfDay(name, slots, chosen) {
  const times = element("div", { class: "choices slots" });
  const taken = () => texts.taken;
  offer(times, "time", slots.map(({ time, free }) => ({ value: time, what: () => time, more: free ? null : taken, disabled: !free })), chosen);
  const heading = element("p", { class: "part-of-day", "aria-hidden": "true" });
  const group = element("div", { role: "group" }, heading, times);
  inWords(group, () => {
    mark(group, "aria-label", texts.words[name]);
    write(heading, texts.words[name]);
  });
  return group;
}

function nothingFree() {
  const words = element("p", { class: "soft" });
  inWords(words, () => write(words, texts.nothingFree));
  return words;
}
