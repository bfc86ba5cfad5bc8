// Where a doctor's week does not hold: leave, and the hours of one day. Who is booked there is named, and moved or cancelled.

import { get, postOnce, put, remove } from "/web/shared/api.js";
import { clockTime, dayName } from "/web/shared/clock.js";
import { answerFor, element, part } from "/web/shared/paper.js";
import { onSend, sure } from "/web/hospital/asking.js";
import { hoursAsWords, readHours } from "/web/hospital/hours.js";

/** Fills and wires both parts of a doctor's row. */
export async function openExceptions(row, doctor, house) {
  const here = { row, doctor, house };
  onSend(part(row, "leave"), house.act, (fields) => takeLeave(here, fields));
  onSend(part(row, "date"), house.act, (fields) => setDate(here, fields));
  await Promise.all([drawLeave(here), drawDates(here)]);
}

async function takeLeave(here, fields) {
  const { affected, ...leave } = await postOnce(`/doctors/${here.doctor.id}/leave`, fields);
  await drawLeave(here, new Map([[leave.id, affected]]));
  return told("Taken.", affected);
}

async function setDate(here, { date, hours = "" }) {
  const { affected } = await put(datePath(here.doctor, date), { windows: readHours(dayName(date), hours) });
  await drawDates(here, new Map([[date, affected]]));
  return told(`These hours hold on ${dayName(date)}.`, affected);
}

function told(done, affected) {
  return `${done} ${affected.length ? `${affected.length} booked: decide below what becomes of them.` : "Nobody was booked."}`;
}

function datePath({ id }, date) {
  return `/doctors/${id}/schedule/${date}`;
}

async function drawLeave(here, hit = new Map()) {
  const list = part(here.row, "leaves");
  const answer = await answerFor(list, get(`/doctors/${here.doctor.id}/leave`));
  if (!answer) return;
  list.replaceChildren(...answer.leave.map(({ id, date, start, end, reason }) => {
    const hours = start === "00:00" && end === "24:00" ? "all day" : `${start}–${end}`;
    return exceptionRow(here, {
      path: `/leave/${id}`,
      when: [dayName(date), hours, reason].filter(Boolean).join(" · "),
      affected: hit.get(id) ?? [],
      reason,
      again: (left) => drawLeave(here, new Map([[id, left]])),
      end: ["Give back", `Put ${dayName(date)}, ${hours}, back on sale?`, "The hours are on sale again."],
    });
  }));
}

async function drawDates(here, hit = new Map()) {
  const list = part(here.row, "dates");
  const answer = await answerFor(list, get(`/doctors/${here.doctor.id}/schedule-dates`));
  if (!answer) return;
  list.replaceChildren(...answer.dates.map(({ date, windows }) => exceptionRow(here, {
    path: datePath(here.doctor, date),
    when: `${dayName(date)} · ${hoursAsWords(windows) || "day off"}`,
    affected: hit.get(date) ?? [],
    again: (left) => drawDates(here, new Map([[date, left]])),
    end: ["As every week", `Give ${dayName(date)} the hours of every week again?`, "The week’s hours hold again."],
  })));
}

function exceptionRow({ house }, { path, when, affected, reason, again, end: [verb, question, done] }) {
  const button = (words, work) => {
    const node = element("button", { type: "button", class: "quiet" }, words);
    node.onclick = () => house.act(node, work);
    return node;
  };
  const settle = (action, words) => button(words, async () => {
    const { settled, left } = await postOnce(`${path}/settle`, { action, ...(reason && { reason }) });
    await again(left);
    return `${settled.length} settled${left.length ? `, ${left.length} without a free time` : ""}.`;
  });
  const over = button(verb, async () => {
    if (!(await sure(question, "Visits that were moved stay where they are.", verb))) return "";
    await remove(path);
    await again([]);
    return done;
  });
  const visits = affected.map(({ token, patient, scheduled_at }) => element("li", {}, `${token} ${patient.name}, ${clockTime(scheduled_at, house.timezone)}`));
  return element("li", { class: "leave" }, element("p", {}, when), visits.length > 0 && element("ul", { class: "small" }, ...visits), element("div", { class: "actions" }, settle("move", "Move who is booked"), settle("cancel", "Cancel who is booked"), over));
}
