// Doctors: who they are, their password, their week.

import { get, patch, post, postOnce, put } from "/web/shared/api.js";
import { copyOf, element, keepRows, part, write } from "/web/shared/paper.js";
import { roomName } from "/web/shared/words.js";
import { onSend } from "/web/hospital/asking.js";
import { openExceptions } from "/web/hospital/exceptions.js";
import { hoursAsWords, readHours } from "/web/hospital/hours.js";

const WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
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
  onSend(part(row, "password"), house.act, (fields) => givePassword(doctor, fields));
  await Promise.all([drawHours(row, id), openExceptions(row, doctor, house)]);
  return "";
}

async function drawHours(row, id) {
  const editable = part(row, "editable");
  editable.disabled = true;
  const { windows } = await get(`/doctors/${id}/schedule`);
  WEEK.forEach((_, weekday) => (part(row, "hours").elements[weekday].value = hoursAsWords(windows.filter((window) => window.weekday === weekday))));
  editable.disabled = false;
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

async function givePassword({ id, name }, fields) {
  await post(`/doctors/${id}/password`, fields);
  return `${name} logs in with the new password from now on.`;
}

async function saveHours(row, id, fields) {
  const windows = WEEK.flatMap((day, weekday) => readHours(day, fields[weekday] ?? "").map((window) => ({ weekday, ...window })));
  await put(`/doctors/${id}/schedule`, { windows });
  return "The hours are saved. Visits booked already keep their time.";
}
