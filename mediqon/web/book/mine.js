// My visits: each with its page to follow, and a cancel that asks once more.

import { get, patch } from "/web/shared/api.js";
import { clockTime } from "/web/shared/clock.js";
import { answerFor, keepRows, mark, part, show, whileBusy, write } from "/web/shared/paper.js";
import { copyInWords, dayWords, inWords, pageOf, problemWords, tell, texts } from "/web/book/language.js";
import { moveVisit } from "/web/book/other_time.js";

const OVER = new Set(["COMPLETED", "NO_SHOW", "CANCELLED"]);
const CANCELLABLE = new Set(["BOOKED", "CHECKED_IN", "ON_HOLD"]);
const at = (name) => part(document, name);
const doctorsOf = new Map();
let zones = new Map();

/** Fetches and shows my visits; `hospitals` tell the timezone of each. */
export async function showMine(hospitals) {
  zones = new Map(hospitals.map(({ id, timezone }) => [id, timezone]));
  const found = await answerFor(at("mine"), fetchMine());
  if (!found) return;
  const { appointments, doctors } = found;
  keepRows(at("mine"), appointments, {
    key: ({ id }) => id,
    make: () => copyInWords("my-visit"),
    fill: (row, visit) => drawVisit(row, visit, doctors.get(visit.doctor_id), hospitals),
  });
  show(at("mine-empty"), appointments.length === 0);
}

async function fetchMine() {
  const { appointments } = await get("/appointments/mine");
  return { appointments, doctors: await namesOf(appointments) };
}

async function namesOf(appointments) {
  const hospitalIds = [...new Set(appointments.map(({ hospital_id }) => hospital_id))];
  const missing = hospitalIds.filter((id) => !doctorsOf.has(id));
  await Promise.all(missing.map(async (id) => doctorsOf.set(id, await get(`/hospitals/${id}/doctors`))));
  return new Map(hospitalIds.flatMap((id) => doctorsOf.get(id)).map(({ id, name }) => [id, name]));
}

function drawVisit(row, visit, doctor, hospitals) {
  write(part(row, "token"), visit.token);
  write(part(row, "what"), doctor ?? "");
  mark(row, "data-over", OVER.has(visit.status));
  inWords(row, () => sayVisit(row, visit));
  part(row, "move").onclick = () => move(visit, hospitals);
  ask(row, visit, false);
  part(row, "cancel").onclick = () => ask(row, visit, true);
  part(row, "keep").onclick = () => ask(row, visit, false);
  part(row, "really").onclick = () => cancel(row, visit, hospitals);
}

function sayVisit(row, visit) {
  write(part(row, "when"), `${whenOf(visit)} · ${texts.status[visit.status]}`);
  mark(part(row, "follow"), "href", pageOf(visit));
  mark(part(row, "follow"), "aria-label", texts.follow(visit.token));
  mark(part(row, "cancel"), "aria-label", texts.cancel(visit.token));
  mark(part(row, "move"), "aria-label", texts.another(visit.token));
}

/** "Tuesday 24 November, 10:40". */
function whenOf({ date, scheduled_at: at, hospital_id: hospital }) {
  return [dayWords(date), at && clockTime(at, zones.get(hospital))].filter(Boolean).join(texts.comma);
}

function ask(row, { status }, sure) {
  const over = OVER.has(status);
  const possible = CANCELLABLE.has(status);
  const had = row.contains(document.activeElement);
  show(part(row, "follow"), !over && !sure);
  show(part(row, "actions"), !over);
  show(part(row, "move"), status === "BOOKED" && !sure);
  show(part(row, "cancel"), possible && !sure);
  show(part(row, "really"), possible && sure);
  show(part(row, "keep"), possible && sure);
  if (had) (sure ? part(row, "keep") : part(row, "cancel")).focus();
}

async function move(visit, hospitals) {
  const moved = await moveVisit(visit, zones.get(visit.hospital_id));
  if (!moved) return;
  tell(at("mine-status"), () => texts.moved(whenOf(moved), moved.token), "good");
  await showMine(hospitals).catch(() => {});
}

function cancel(row, visit, hospitals) {
  return whileBusy(part(row, "really"), async () => {
    try {
      await patch(`/appointments/${visit.id}/status`, { status: "CANCELLED" });
      tell(at("mine-status"), () => texts.cancelled(visit.token), "good");
    } catch (error) {
      tell(at("mine-status"), () => problemWords(error), "bad");
    }
    await showMine(hospitals).catch(() => {});
    document.getElementById("mine-heading").focus();
  });
}
