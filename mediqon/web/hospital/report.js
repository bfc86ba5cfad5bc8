// A doctor's day in numbers and two small charts.

import { accessToken, get } from "/web/shared/api.js";
import { clockTime, dateOf, dayName, now } from "/web/shared/clock.js";
import { element, part } from "/web/shared/paper.js";
import { STATUS } from "/web/shared/words.js";
import { offerDoctors, onSend } from "/web/hospital/asking.js";
import { barChart } from "/web/hospital/chart.js";

const at = (name) => part(document, name);
let house = null;

export function openReport(here) {
  house = here;
  const form = at("report-form");
  form.dataset.keep = "";
  offerDoctors(form.elements.doctor_id, house.doctors);
  form.elements.date.value ||= dateOf(now(), house.timezone);
  onSend(form, house.act, draw);
  at("csv").onclick = () => house.act(at("csv"), save);
}

const path = ({ doctor_id, date }) => `/queues/${doctor_id.value ?? doctor_id}/report?date=${date.value ?? date}`;

async function draw(fields) {
  const report = await get(path(fields));
  const { counts, waits, consultations } = report;
  const minutes = (value) => (value === null ? "–" : `${value} min`);
  const figures = [
    ["Visits", counts.visits], ["Seen", counts.seen], ["Did not come", counts.no_show], ["Left unseen", counts.left], ["Cancelled", counts.cancelled], ["Open", counts.open],
    ["Wait, median", minutes(waits.all.median)], ["Wait, nine in ten within", minutes(waits.all.p90)], ["Consultation, median", minutes(consultations.median)],
  ];
  at("report").replaceChildren(
    element("h2", {}, `${report.doctor}, ${dayName(report.date)}`),
    element("dl", { class: "figures" }, ...figures.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value))))),
    ...charts(report),
    table(report),
  );
  return "";
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

function table({ visits, timezone }) {
  const time = (instant) => (instant ? clockTime(instant, timezone) : "–");
  const head = ["Token", "Booked for", "Checked in", "Called", "Ended", "Waited", "With the doctor", "Became"];
  const rows = visits.map((visit) => [visit.token, time(visit.scheduled_at), time(visit.checked_in_at), time(visit.called_at), time(visit.ended_at), visit.wait_minutes ?? "–", visit.consultation_minutes ?? "–", STATUS[visit.status]]);
  const line = (cells, tag) => element("tr", {}, ...cells.map((cell, index) => element(index || tag === "th" ? tag : "th", { scope: tag === "th" ? "col" : index ? null : "row" }, String(cell))));
  return element("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Every visit" }, element("table", {}, element("thead", {}, line(head, "th")), element("tbody", {}, ...rows.map((row) => line(row, "td")))));
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
