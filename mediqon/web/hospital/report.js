// A doctor's day in numbers and two small charts, the month's expected times; or everybody's day.

import { accessToken, get } from "/web/shared/api.js";
import { clockTime, dateOf, dayName, now } from "/web/shared/clock.js";
import { answerFor, element, part } from "/web/shared/paper.js";
import { STATUS } from "/web/shared/words.js";
import { filledIn, offerDoctors, onSend } from "/web/hospital/asking.js";
import { barChart } from "/web/hospital/chart.js";

const EVERYBODY = "all";
const NOTHING = { waits: { all: { median: null, p90: null } }, consultations: { median: null } };
const at = (name) => part(document, name);
let house = null;

export function openReport(here) {
  house = here;
  const form = at("report-form");
  form.dataset.keep = "";
  const choice = form.elements.doctor_id;
  offerDoctors(choice, house.doctors.length > 1 ? [{ id: EVERYBODY, name: "All doctors" }, ...house.doctors] : house.doctors);
  choice.onchange = () => (at("csv").disabled = choice.value === EVERYBODY);
  choice.onchange();
  form.elements.date.value ||= dateOf(now(), house.timezone);
  onSend(form, house.act, draw);
  at("csv").onclick = () => house.act(at("csv"), save);
  return house.doctors.length ? draw(filledIn(form)) : undefined;
}

const path = ({ doctor_id, date }) => `/queues/${doctor_id.value ?? doctor_id}/report?date=${date.value ?? date}`;

async function draw({ doctor_id, date }) {
  const drawn = await answerFor(at("report"), doctor_id === EVERYBODY ? everybody(date) : oneDoctor(doctor_id, date));
  if (drawn) at("report").replaceChildren(...drawn);
  return "";
}

async function oneDoctor(doctor_id, date) {
  const [report, month] = await Promise.all([get(path({ doctor_id, date })), get(`/doctors/${doctor_id}/accuracy?month=${date.slice(0, 7)}`)]);
  return [
    element("h2", {}, `${report.doctor}, ${dayName(report.date)}`),
    figures([...counted(report.counts), ...waited(report)]),
    ...charts(report),
    table("Every visit", HEAD, report.visits.map((visit) => visitRow(visit, report.timezone))),
    ...expectedTimes(month),
  ];
}

async function everybody(date) {
  const reports = await Promise.all(house.doctors.map(({ id }) => get(path({ doctor_id: id, date }))));
  const total = {};
  for (const { counts } of reports) for (const name of Object.keys(counts)) total[name] = (total[name] ?? 0) + counts[name];
  const rows = reports.map(({ doctor, counts, ...report }) => [doctor, ...counted(counts).map(([, count]) => count), ...waited(report).map(([, words]) => words)]);
  const head = ["Doctor", ...[...counted(total), ...waited(NOTHING)].map(([name]) => name)];
  return [element("h2", {}, `All doctors, ${dayName(date)}`), figures(counted(total)), table("Every doctor", head, rows)];
}

const minutes = (value) => (value === null ? "–" : `${value} min`);
const counted = (counts) => [["Visits", counts.visits], ["Seen", counts.seen], ["Did not come", counts.no_show], ["Left unseen", counts.left], ["Cancelled", counts.cancelled], ["Open", counts.open]];
const waited = ({ waits, consultations }) => [["Wait, median", minutes(waits.all.median)], ["Wait, nine in ten within", minutes(waits.all.p90)], ["Consultation, median", minutes(consultations.median)]];

function figures(named) {
  return element("dl", { class: "figures" }, ...named.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
}

function expectedTimes({ month, accuracy: { count, mae, cover80, told, missed_turns }, days }) {
  const title = element("h2", {}, `Expected times in ${dayName(`${month}-01`, { month: "long", year: "numeric" })}`);
  if (!count) return [title, element("p", { class: "soft" }, "Nothing that was shown can be held against a call yet.")];
  const bars = days.filter(({ accuracy }) => accuracy.count).map(({ date, accuracy }) => ({ name: date, value: accuracy.mae }));
  const turns = told ? [["Turns missed by coming when told", `${missed_turns} of ${told}`]] : [];
  return [title, figures([["Off by, mean", minutes(mae)], ["Within the range shown", `${Math.round(cover80 * 100)} %`], ...turns]), barChart("Off by, minutes, day by day", bars)];
}

function charts({ visits }) {
  const waited = visits.filter(({ wait_minutes }) => wait_minutes !== null);
  const seen = visits.filter(({ consultation_minutes }) => consultation_minutes !== null);
  const bars = (some, field) => some.map((visit) => ({ name: visit.token, value: visit[field] }));
  return [
    waited.length > 0 && barChart("Waiting, minutes from check-in to the first call", bars(waited, "wait_minutes")),
    seen.length > 0 && barChart("Consultation, minutes", bars(seen, "consultation_minutes")),
  ].filter(Boolean);
}

const HEAD = ["Token", "Booked for", "Checked in", "Called", "Ended", "Waited", "With the doctor", "Became"];

function visitRow(visit, timezone) {
  const time = (instant) => (instant ? clockTime(instant, timezone) : "–");
  return [visit.token, time(visit.scheduled_at), time(visit.checked_in_at), time(visit.called_at), time(visit.ended_at), visit.wait_minutes ?? "–", visit.consultation_minutes ?? "–", STATUS[visit.status]];
}

function table(name, head, rows) {
  const line = (cells, tag) => element("tr", {}, ...cells.map((cell, index) => element(index || tag === "th" ? tag : "th", { scope: tag === "th" ? "col" : index ? null : "row" }, String(cell))));
  return element("div", { class: "table", tabindex: "0", role: "region", "aria-label": name }, element("table", {}, element("thead", {}, line(head, "th")), element("tbody", {}, ...rows.map((row) => line(row, "td")))));
}

// A link cannot carry the log-in, so the file is fetched and handed over.
async function save() {
  const { doctor_id, date } = at("report-form").elements;
  const answer = await fetch(path({ doctor_id, date }), { headers: { Accept: "text/csv", Authorization: `Bearer ${await accessToken()}` } });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  const link = element("a", { href: URL.createObjectURL(await answer.blob()), download: `report-${doctor_id.value}-${date.value}.csv` });
  link.click();
  URL.revokeObjectURL(link.href);
  return "Saved.";
}
