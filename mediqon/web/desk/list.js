// Today's list on the page: the same staff queue always draws the same desk.

import { dayName, duration, clockTime, minutesSince } from "/web/shared/clock.js";
import { copyOf, element, keepRows, mark, part, show, write } from "/web/shared/paper.js";
import { about, STATUS } from "/web/shared/words.js";
import { labelOf, VERBS, verbsAtHand } from "/web/desk/verbs.js";

// How long somebody has been waiting, in words as well as in colour.
const LONG_WAIT_MIN = 30;
const WORTH_A_LOOK_MIN = 15;
const UNANSWERED_MIN = 3;
const PRIORITY = { PRIORITY: "Priority", EMERGENCY: "Emergency" };
const at = (name) => part(document, name);

/** Draws the staff queue; `role` is who looks; `onVerb(name, visit, button)` and `onMore(visit)` are its buttons. */
export function drawQueue(queue, looks) {
  const focus = rememberFocus();
  const draw = (name, visits) => drawVisits(name, visits, { queue, ...looks });
  drawDay(queue);
  draw("now", queue.now);
  draw("waiting", queue.waiting);
  draw("held", queue.held);
  draw("booked", queue.booked);
  draw("done", queue.done);
  show(at("held-section"), queue.held.length > 0);
  drawCallNext(queue);
  focus.restore();
}

function drawDay(queue) {
  const state = queue.state === "OPEN" ? (queue.delay_minutes ? "LATE" : "OPEN") : queue.state;
  write(at("day"), dayName(queue.date));
  show(at("state"), state !== "OPEN");
  mark(at("state"), "data-state", state);
  write(at("state"), stateWords(queue));
  show(at("pause"), queue.state === "OPEN");
  show(at("resume"), queue.state !== "OPEN");
  write(at("resume-verb"), queue.state === "CLOSED" ? "Reopen" : "Resume");
  show(at("delay"), queue.state !== "CLOSED");
  show(at("close"), queue.state !== "CLOSED");
}

function stateWords({ state, paused_until, pause_reason, delay_minutes, timezone }) {
  if (state === "CLOSED") return "Closed for today";
  if (state === "OPEN") return delay_minutes ? `${delay_minutes} min late` : "";
  const until = paused_until ? `Paused until about ${clockTime(paused_until, timezone)}` : "Paused";
  return pause_reason ? `${until}: ${pause_reason}` : until;
}

function drawVisits(name, visits, looks) {
  keepRows(at(name), visits, { key: (visit) => visit.id, make: () => copyOf("visit"), fill: (row, visit) => drawVisit(row, visit, looks) });
  const count = at(`${name}-count`);
  const empty = at(`${name}-empty`);
  if (count) write(count, visits.length || "");
  if (empty) show(empty, visits.length === 0);
}

function drawVisit(row, visit, { queue, role, onVerb, onMore }) {
  write(part(row, "token"), visit.token);
  mark(part(row, "token"), "data-long", visit.token.length > 6);
  write(part(row, "name"), visit.patient.name);
  show(part(row, "tag"), visit.priority in PRIORITY);
  write(part(row, "tag"), PRIORITY[visit.priority] ?? "");
  mark(part(row, "tag"), "data-priority", visit.priority);
  drawWait(part(row, "wait"), visit);
  write(part(row, "detail"), detail(visit, queue.timezone));
  keepRows(part(row, "actions"), [...verbsAtHand(visit, role), "more"], {
    key: (name) => name,
    make: (name) => (name === "more" ? element("button", { type: "button", class: "quiet" }, "More") : verbButton(name, queue.now.includes(visit))),
    fill: (button, name) => drawButton(button, name, visit, name === "more" ? () => onMore(visit) : () => onVerb(name, visit, button)),
  });
}

function verbButton(name, withKey) {
  const hint = withKey && element("kbd", { "aria-hidden": "true" }, VERBS[name].key);
  return element("button", { type: "button", class: VERBS[name].look ?? null }, element("span"), hint);
}

function drawButton(button, name, visit, onPress) {
  const label = name === "more" ? "More" : labelOf(name, visit);
  if (name !== "more") write(button.firstElementChild, label);
  mark(button, "aria-label", `${label} ${visit.token} ${visit.patient.name}`);
  button.onclick = onPress;
}

function drawWait(node, visit) {
  const minutes = visit.status === "CHECKED_IN" ? minutesSince(visit.checked_in_at) : null;
  const [wait, words] = minutes === null ? [null, ""] : minutes >= LONG_WAIT_MIN ? ["long", ", too long"] : minutes >= WORTH_A_LOOK_MIN ? ["fair", ", getting long"] : ["short", ""];
  show(node, minutes !== null);
  mark(node, "data-wait", wait);
  write(node, minutes === null ? "" : `waits ${duration(minutes)}${words}`);
}

function detail(visit, timezone) {
  const time = (instant) => clockTime(instant, timezone);
  const booked = visit.scheduled_at ? `booked ${time(visit.scheduled_at)}` : "walk-in";
  const expected = visit.ahead > 0 && visit.expected_at ? ` · expected ${about(visit.expected_at, timezone)}` : "";
  if (visit.status === "CHECKED_IN") return booked + expected;
  if (visit.status === "CALLED") return `called ${time(visit.called_at)}, ${duration(minutesSince(visit.called_at))} ago${unanswered(visit)}`;
  if (visit.status === "IN_CONSULTATION") return `with the doctor for ${duration(minutesSince(visit.started_at ?? visit.called_at))}`;
  if (visit.status === "BOOKED") return booked + (visit.late_minutes ? `, says ${visit.late_minutes} min late` : "") + expected;
  const ended = visit.ended_at ? ` ${time(visit.ended_at)}` : "";
  return `${STATUS[visit.status]}${ended} · ${booked}`;
}

// Somebody who does not come at once has often only stepped out: a hold keeps them in the day, a no-show does not.
function unanswered(visit) {
  return minutesSince(visit.called_at) >= UNANSWERED_MIN ? ". Not coming? Recall, then hold." : "";
}

function drawCallNext({ now, waiting, state }) {
  const leaving = now.map((visit) => visit.token).join(", ");
  const next = waiting[0];
  const stopped = state !== "OPEN";
  write(at("call-verb"), next || !leaving ? "Call next" : "Complete");
  write(at("call-whom"), stopped ? (state === "PAUSED" ? "The line is paused." : "The day is closed.") : whom(leaving, next));
  at("call-next").disabled = stopped || (!next && !leaving) || at("call-next").hasAttribute("aria-busy");
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
