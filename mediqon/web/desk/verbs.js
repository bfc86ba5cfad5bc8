// What the desk can do to a visit and to the whole day: each with its key, from where, and what it asks first.
// The server has the last word; this only decides which buttons are there.

import { get, patch, postOnce } from "/web/shared/api.js";

const to = (status) => (visit) => patch(`/appointments/${visit.id}/status`, { status, version: visit.version });

/**
 * Every verb about one visit. `doctorOnly` and `hospitalOnly` say whose; `ask` names the dialog that comes first and
 * whose fields `send` gets. A label may depend on where the visit is.
 */
export const VERBS = {
  checkIn: { key: "C", from: ["BOOKED", "ON_HOLD", "NO_SHOW"], label: "Check in", done: "Checked in", send: to("CHECKED_IN") },
  call: { key: "G", from: ["CHECKED_IN", "ON_HOLD"], label: "Call", done: "Called", send: to("CALLED") },
  start: { key: "S", from: ["CALLED"], label: "Start", done: "Started", doctorOnly: true, send: to("IN_CONSULTATION") },
  complete: { key: "D", from: ["CHECKED_IN", "CALLED", "IN_CONSULTATION"], label: "Complete", done: "Completed", doctorOnly: true, send: to("COMPLETED") },
  recall: { key: "R", from: ["CALLED"], label: "Recall", done: "Called again", send: ({ id }) => postOnce(`/appointments/${id}/recall`) },
  hold: { key: "H", from: ["CHECKED_IN", "CALLED", "IN_CONSULTATION"], label: "Hold", done: "On hold", send: to("ON_HOLD") },
  noShow: { key: "X", from: ["BOOKED", "CHECKED_IN", "CALLED", "ON_HOLD"], label: "No-show", done: "Marked as no-show", look: "quiet grave", send: to("NO_SHOW") },
  transfer: {
    key: "T", from: ["BOOKED", "CHECKED_IN", "CALLED", "IN_CONSULTATION", "ON_HOLD"], label: "Transfer", done: "Transferred", ask: "transfer",
    send: ({ id }, { doctor_id, reason }) => postOnce(`/appointments/${id}/transfer`, { doctor_id: Number(doctor_id), ...(reason && { reason }) }),
  },
  priority: {
    key: "P", from: ["BOOKED", "CHECKED_IN", "ON_HOLD"], label: "Priority", done: "Priority changed", ask: "priority",
    send: ({ id }, { priority, reason }) => patch(`/appointments/${id}/priority`, { priority, reason }),
  },
  cancel: {
    key: null, from: ["BOOKED", "CHECKED_IN", "ON_HOLD"], label: "Cancel visit", done: "Cancelled", look: "quiet grave", ask: "cancel", hospitalOnly: true,
    send: ({ id, version }, { reason }) => patch(`/appointments/${id}/status`, { status: "CANCELLED", version, ...(reason && { reason }) }),
  },
};

const LABELS = { checkIn: { ON_HOLD: "Back in line", NO_SHOW: "Came after all" } };

// What a row shows at once; the rest is behind "More".
const AT_HAND = {
  BOOKED: ["checkIn", "noShow"],
  CHECKED_IN: ["call", "noShow"],
  CALLED: ["start", "complete", "recall", "hold", "noShow"],
  IN_CONSULTATION: ["complete", "hold"],
  ON_HOLD: ["checkIn", "call"],
  NO_SHOW: ["checkIn"],
};

/** What the verb is called for this visit. */
export function labelOf(name, visit) {
  return LABELS[name]?.[visit.status] ?? VERBS[name].label;
}

/** The names of all verbs that `role` may use on this visit. */
export function verbsFor(visit, role) {
  return Object.keys(VERBS).filter((name) => isAllowed(VERBS[name], visit, role));
}

/** The few that a row shows. */
export function verbsAtHand(visit, role) {
  const allowed = new Set(verbsFor(visit, role));
  return (AT_HAND[visit.status] ?? []).filter((name) => allowed.has(name));
}

function isAllowed({ from, doctorOnly, hospitalOnly }, { status }, role) {
  return from.includes(status) && !(doctorOnly && role !== "doctor") && !(hospitalOnly && role !== "hospital");
}

/** What can be done to the whole day of a doctor; `send(doctorId, answers)`. */
export const DAY = {
  pause: { key: "B", ask: "pause", done: "Paused", send: (id, { minutes, reason }) => postOnce(`/queues/${id}/pause`, { ...(minutes && { minutes: Number(minutes) }), ...(reason && { reason }) }) },
  resume: { key: "B", done: "The line goes on", send: (id) => postOnce(`/queues/${id}/resume`) },
  delay: { key: "L", ask: "delay", done: "Expected times moved", send: (id, { minutes }) => postOnce(`/queues/${id}/delay`, { minutes: Number(minutes) }) },
  undo: { key: "U", done: "Taken back", send: (id) => postOnce(`/queues/${id}/undo`) },
  close: { key: "E", ask: "close", done: "The day is closed", send: (id, { no_show }) => postOnce(`/queues/${id}/close`, { no_show: no_show === "yes" }) },
};

const HAPPENED = {
  book: "booked", walk_in: "added", check_in: "checked in", call: "called", start: "started", hold: "put on hold", complete: "completed",
  no_show: "marked as no-show", cancel: "cancelled", recall: "called again", priority: "changed the priority of", place: "moved", give_way: "moved", late: "announced to be late:",
  transfer_out: "transferred", transfer_in: "transferred", reschedule: "rescheduled", undo: "took back a change of",
};

/** "Dr A. Rao called A-007 Ben Das": what happened last to a visit, and who did it. */
export async function lastDeed(visit) {
  const { events } = await get(`/appointments/${visit.id}/events`);
  const { actor, verb } = events.at(-1);
  return `${actor?.name ?? "The server"} ${HAPPENED[verb] ?? "changed"} ${visit.token} ${visit.patient.name}`;
}
