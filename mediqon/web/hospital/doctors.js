// Doctors, their week and their leave.

import { get, patch, postOnce, put, remove } from "/web/shared/api.js";
import { clockTime, dayName } from "/web/shared/clock.js";
import { answerFor, copyOf, element, keepRows, part, write } from "/web/shared/paper.js";
import { roomName } from "/web/shared/words.js";
import { onSend, sure } from "/web/hospital/asking.js";

const WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const WINDOW = /^(\d{1,2}:\d{2})\s*[-–]\s*(\d{1,2}:\d{2})(?:\s*[x×]\s*(\d{1,2}))?$/;
const at = (name) => part(document, name);
let house = null;

export function openDoctors(here) {
  house = here;
  onSend(at("new-doctor"), house.act, addDoctor);
  draw();
}

function draw() {
  keepRows(at("doctors"), house.doctors, { key: ({ id }) => id, make: (doctor) => makeDoctor(doctor), fill: drawDoctor });
}

function makeDoctor(doctor) {
  const row = copyOf("doctor");
  const details = row.querySelector("details");
  details.addEventListener("toggle", () => details.open && house.act(null, () => openDoctor(row, doctor.id)));
  part(row, "week").replaceChildren(...WEEK.map((day, weekday) => element("label", { class: "field" }, element("span", {}, day), element("input", { name: weekday, autocomplete: "off", spellcheck: "false" }))));
  return row;
}

function drawDoctor(row, doctor) {
  write(part(row, "name"), doctor.name);
  write(part(row, "where"), [doctor.specialty, roomName(doctor.room), `tokens ${doctor.token_prefix}`].filter(Boolean).join(" · "));
}

async function openDoctor(row, id) {
  const doctor = house.doctors.find((each) => each.id === id);
  const change = part(row, "change");
  for (const name of ["name", "specialty", "room", "token_prefix", "slot_minutes"]) change.elements[name].value = doctor[name];
  for (const name of ["change", "hours"]) part(row, name).dataset.keep = "";
  onSend(change, house.act, (fields) => saveDoctor(id, fields));
  onSend(part(row, "hours"), house.act, (fields) => saveHours(row, id, fields));
  onSend(part(row, "leave"), house.act, (fields) => takeLeave(row, doctor, fields));
  const editable = part(row, "editable");
  editable.disabled = true;
  const { windows } = await get(`/doctors/${id}/schedule`);
  WEEK.forEach((_, weekday) => (part(row, "hours").elements[weekday].value = hoursOf(windows, weekday)));
  editable.disabled = false;
  await drawLeave(row, doctor);
  return "";
}

function hoursOf(windows, weekday) {
  return windows.filter((window) => window.weekday === weekday).map(({ start, end, capacity }) => `${start}-${end}${capacity > 1 ? ` x${capacity}` : ""}`).join(", ");
}

async function addDoctor({ slot_minutes, ...fields }) {
  const doctor = await postOnce(`/hospitals/${house.id}/doctors`, { ...fields, slot_minutes: Number(slot_minutes) });
  await house.refresh();
  draw();
  return `${doctor.name} is added. Open the name to set the hours.`;
}

async function saveDoctor(id, { slot_minutes, specialty = "", room = "", ...fields }) {
  await patch(`/doctors/${id}`, { ...fields, specialty, room, slot_minutes: Number(slot_minutes) });
  await house.refresh();
  draw();
  return "Saved.";
}

async function saveHours(row, id, fields) {
  const windows = WEEK.flatMap((day, weekday) => readHours(day, weekday, fields[weekday] ?? ""));
  await put(`/doctors/${id}/schedule`, { windows });
  return "The hours are saved. Visits booked already keep their time.";
}

function readHours(day, weekday, text) {
  return text.split(",").map((each) => each.trim()).filter(Boolean).map((each) => {
    const found = WINDOW.exec(each);
    if (!found) throw new Error(`${day}: “${each}” is not like 09:00-13:00.`);
    const [, start, end, capacity] = found;
    return { weekday, start: start.padStart(5, "0"), end: end.padStart(5, "0"), capacity: Number(capacity ?? 1) };
  });
}

async function takeLeave(row, doctor, fields) {
  const { affected, ...leave } = await postOnce(`/doctors/${doctor.id}/leave`, fields);
  await drawLeave(row, doctor, new Map([[leave.id, affected]]));
  return affected.length ? `Taken. ${affected.length} booked: decide below what becomes of them.` : "Taken. Nobody was booked.";
}

async function drawLeave(row, doctor, hit = new Map()) {
  const answer = await answerFor(part(row, "leaves"), get(`/doctors/${doctor.id}/leave`));
  if (answer) part(row, "leaves").replaceChildren(...answer.leave.map((each) => leaveRow(row, doctor, each, hit.get(each.id) ?? [])));
}

function leaveRow(row, doctor, leave, affected) {
  const hours = leave.start === "00:00" && leave.end === "24:00" ? "all day" : `${leave.start}–${leave.end}`;
  const when = element("p", {}, [dayName(leave.date), hours, leave.reason].filter(Boolean).join(" · "));
  const visits = element("ul", { class: "small" }, ...affected.map(({ token, patient, scheduled_at }) => element("li", {}, `${token} ${patient.name}, ${clockTime(scheduled_at, house.timezone)}`)));
  const settle = (action, words) => button(words, async () => {
    const { settled, left } = await postOnce(`/leave/${leave.id}/settle`, { action, ...(leave.reason && { reason: leave.reason }) });
    await drawLeave(row, doctor, new Map([[leave.id, left]]));
    return `${settled.length} settled${left.length ? `, ${left.length} without a free time` : ""}.`;
  });
  const give = button("Give back", async () => {
    if (!(await sure(`Put ${dayName(leave.date)}, ${hours}, back on sale?`, "Visits that were moved stay where they are.", "Give back"))) return "";
    await remove(`/leave/${leave.id}`);
    await drawLeave(row, doctor);
    return "The hours are on sale again.";
  });
  return element("li", { class: "leave" }, when, affected.length > 0 && visits, element("div", { class: "actions" }, settle("move", "Move who is booked"), settle("cancel", "Cancel who is booked"), give));
}

function button(words, work) {
  const node = element("button", { type: "button", class: "quiet" }, words);
  node.onclick = () => house.act(node, work);
  return node;
}
