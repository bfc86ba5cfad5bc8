// Today's list on the page: the same staff queue always draws the same desk.

import { dayName, duration, clockTime, minutesSince } from "/web/shared/clock.js";
import { copyOf, element, keepRows, mark, part, show, write } from "/web/shared/paper.js";
import { STATUS } from "/web/shared/words.js";

const LONG_WAIT_MIN = 30;
const PRIORITY = { PRIORITY: "Priority", EMERGENCY: "Emergency" };
const VERBS = {
  CHECKED_IN: { label: "Check in", busy: "Checked in" },
  CALLED: { label: "Call", busy: "Called" },
  IN_CONSULTATION: { label: "Start", busy: "Started", doctorOnly: true },
  COMPLETED: { label: "Complete", busy: "Completed", doctorOnly: true },
  NO_SHOW: { label: "No-show", busy: "Marked as no-show", look: "quiet grave" },
};
const MOVES = {
  BOOKED: ["CHECKED_IN", "NO_SHOW"],
  CHECKED_IN: ["CALLED", "NO_SHOW"],
  CALLED: ["IN_CONSULTATION", "COMPLETED", "NO_SHOW"],
  IN_CONSULTATION: ["COMPLETED"],
  ON_HOLD: ["CALLED", "CHECKED_IN", "NO_SHOW"],
  NO_SHOW: ["CHECKED_IN"],
};
const at = (name) => part(document, name);

/** What was done, for people: "Checked in A-007." */
export function doneWords(status, visit) {
  return `${VERBS[status].busy}: ${visit.token} ${visit.patient.name}.`;
}

/** Draws the staff queue; `role` is who looks; `onMove(visit, status, button)` is called for a pressed button. */
export function drawQueue(queue, { role, onMove }) {
  const focus = rememberFocus();
  const draw = (name, visits) => drawVisits(name, visits, { queue, role, onMove });
  write(at("day"), dayName(queue.date));
  show(at("state"), queue.state !== "OPEN");
  write(at("state"), queue.state === "PAUSED" ? "Paused" : "Closed");
  draw("now", queue.now);
  draw("waiting", queue.waiting);
  draw("held", queue.held);
  draw("booked", queue.booked);
  draw("done", queue.done);
  show(at("held-section"), queue.held.length > 0);
  drawCallNext(queue);
  focus.restore();
}

function drawVisits(name, visits, { queue, role, onMove }) {
  keepRows(at(name), visits, {
    key: (visit) => visit.id,
    make: () => copyOf("visit"),
    fill: (row, visit) => drawVisit(row, visit, { queue, role, onMove }),
  });
  const count = at(`${name}-count`);
  const empty = at(`${name}-empty`);
  if (count) write(count, visits.length || "");
  if (empty) show(empty, visits.length === 0);
}

function drawVisit(row, visit, { queue, role, onMove }) {
  write(part(row, "token"), visit.token);
  write(part(row, "name"), visit.patient.name);
  show(part(row, "tag"), visit.priority in PRIORITY);
  write(part(row, "tag"), PRIORITY[visit.priority] ?? "");
  mark(part(row, "tag"), "data-priority", visit.priority);
  mark(row, "data-wait", isLongWait(visit) ? "long" : null);
  write(part(row, "detail"), detail(visit, queue.timezone));
  const moves = (MOVES[visit.status] ?? []).filter((to) => role === "doctor" || !VERBS[to].doctorOnly);
  keepRows(part(row, "actions"), moves, { key: (to) => to, make: moveButton, fill: (button, to) => drawMove(button, to, visit, onMove) });
}

function moveButton(to) {
  return element("button", { type: "button", class: VERBS[to].look ?? null }, VERBS[to].label);
}

function drawMove(button, to, visit, onMove) {
  mark(button, "aria-label", `${VERBS[to].label} ${visit.token} ${visit.patient.name}`);
  button.onclick = () => onMove(visit, to, button);
}

function isLongWait(visit) {
  return visit.status === "CHECKED_IN" && minutesSince(visit.checked_in_at) >= LONG_WAIT_MIN;
}

function detail(visit, timezone) {
  const time = (instant) => clockTime(instant, timezone);
  const booked = visit.scheduled_at ? `booked ${time(visit.scheduled_at)}` : "walk-in";
  if (visit.status === "CHECKED_IN") return `waits ${duration(minutesSince(visit.checked_in_at))}${isLongWait(visit) ? ", long" : ""} · ${booked}`;
  if (visit.status === "CALLED") return `called ${time(visit.called_at)}, ${duration(minutesSince(visit.called_at))} ago`;
  if (visit.status === "IN_CONSULTATION") return `with the doctor for ${duration(minutesSince(visit.started_at ?? visit.called_at))}`;
  if (visit.status === "BOOKED") return booked;
  const ended = visit.ended_at ? ` ${time(visit.ended_at)}` : "";
  return `${STATUS[visit.status]}${ended} · ${booked}`;
}

function drawCallNext({ now, waiting, state }) {
  const leaving = now.map((visit) => visit.token).join(", ");
  const next = waiting[0];
  const closed = state !== "OPEN";
  write(at("call-verb"), next || !leaving ? "Call next" : "Complete");
  write(at("call-whom"), closed ? `The queue is ${state.toLowerCase()}.` : whom(leaving, next));
  at("call-next").disabled = closed || (!next && !leaving) || at("call-next").hasAttribute("aria-busy");
}

function whom(leaving, next) {
  if (!next) return leaving ? `${leaving}; nobody is waiting` : "Nobody is waiting";
  return `${next.token} ${next.patient.name}${leaving ? ` (completes ${leaving})` : ""}`;
}

/**
 * Remembers which list the keyboard is working through. A row that moves to another list takes its buttons along, and a
 * button in flight loses the focus: `restore()` puts it on the row that took the place, or else on Call next.
 */
export function rememberFocus() {
  const list = document.activeElement?.closest(".visits, .now");
  const place = list ? [...list.children].indexOf(document.activeElement.closest(".visit")) : -1;
  return {
    restore() {
      if (!list || document.activeElement !== document.body) return;
      const row = list.children[Math.min(place, list.children.length - 1)];
      (row?.querySelector("button:not(:disabled)") ?? at("call-next")).focus();
    },
  };
}
