// The doctor's desk: one list, the same on every device that looks at it; one button that matters.

import { accessToken, get, logout, postOnce, Refusal, spoilAccessToken } from "/web/shared/api.js";
import { everyMinute } from "/web/shared/clock.js";
import { whoComesIn } from "/web/shared/door.js";
import { LiveLine } from "/web/shared/live.js";
import { part, say, show, whileBusy, write } from "/web/shared/paper.js";
import { liveState, liveWords } from "/web/shared/words.js";
import { ASK, askVerb, showKeys } from "/web/desk/dialogs.js";
import { chosenVisit, keysEnabled, listenToKeys, switchKeys } from "/web/desk/keys.js";
import { chosenDoctor } from "/web/desk/choice.js";
import { drawQueue, rememberFocus } from "/web/desk/list.js";
import { DAY, lastDeed, VERBS, verbsFor } from "/web/desk/verbs.js";

const CONFLICTS = new Set(["stale_version", "illegal_transition", "queue_paused", "queue_closed", "visit_not_waiting", "visits_open"]);
const at = (name) => part(document, name);

let user = null;
let doctor = null;
let queue = null;
let line = null;

everyMinute(() => queue && draw());
sitDown();

async function sitDown(reason) {
  leaveDesk();
  show(at("choice"), false);
  user = await whoComesIn(["doctor", "hospital"], "This is a patient’s account. Patients book at the page Book a visit.", reason);
  await openDesk();
}

async function openDesk() {
  doctor = user.role === "doctor" ? { id: user.doctor_id, name: user.name } : await chosenDoctor(user.hospital_id);
  show(at("gate"), false);
  show(at("desk"), true);
  show(at("who"), true);
  show(at("other-doctor"), user.role === "hospital");
  write(at("doctor"), doctor.name);
  document.title = `${doctor.name} · Desk`;
  at("call-next").disabled = true;
  line = new LiveLine(document.body.dataset.line + doctor.id, {
    onFrame: takeQueue,
    onLiveness: drawLiveness,
    subprotocols: async () => {
      const token = await accessToken();
      return token && ["mediqon", `bearer.${token}`];
    },
    renew: spoilAccessToken,
    poll: fetchQueue,
  });
  line.open();
}

function leaveDesk() {
  line?.close();
  line = queue = doctor = null;
  show(at("desk"), false);
  show(at("who"), false);
  say(at("status"), "");
}

function takeQueue(frame) {
  queue = frame;
  draw();
}

async function fetchQueue() {
  const asking = line;
  asking.offer(await get(`/appointments/doctor/${doctor.id}/today`));
  return 0;
}

function draw() {
  drawQueue(queue, { role: user.role, onVerb, onMore });
  document.title = `${queue.waiting.length ? `(${queue.waiting.length}) ` : ""}${doctor.name} · Desk`;
}

function drawLiveness(liveness) {
  at("live").dataset.state = liveState(liveness);
  write(at("live"), liveWords(liveness, queue?.timezone));
  if (liveness.stopped === "login") sitDown("Please log in again.");
  if (liveness.stopped === "forbidden") say(at("status"), "This account may not see this desk.", "bad");
  if (liveness.stopped === "unknown") say(at("status"), "This desk does not exist.", "bad");
}

// Every press: in flight the button rests, afterwards the status line tells what happened.
function press(button, visit, work) {
  const focus = rememberFocus();
  const seen = queue;
  return whileBusy(button, async () => {
    say(at("status"), "");
    try {
      const words = await work();
      if (words) say(at("status"), words, "good");
    } catch (error) {
      await explain(error, seen, visit);
    }
  }).then(() => {
    if (queue) draw();
    focus.restore();
  });
}

// The answer may be lost while the deed is done: show what is, whether the socket lives or not.
async function explain(error, seen, visit) {
  if (error.status === 401) return sitDown("Please log in again.");
  await fetchQueue().catch(() => {});
  const instead = error instanceof Refusal && CONFLICTS.has(error.code) ? await happenedInstead(seen, visit).catch(() => error.message) : null;
  say(at("status"), instead ? `The queue changed meanwhile: ${instead}` : error.message, "bad");
}

// For a visit its own last step; for the line, whatever is not as it was: first of all somebody else in the room.
async function happenedInstead(seen, visit) {
  const known = new Map(visitsOf(seen).map(({ id, version }) => [id, version]));
  const changed = visit ?? visitsOf(queue).find(({ id, version }) => known.get(id) !== version);
  if (changed) return `${await lastDeed(changed)}.`;
  return seen.state === queue.state ? "the day itself was changed." : `it is ${queue.state.toLowerCase()} now.`;
}

function visitsOf({ now, waiting, held, booked, done }) {
  return [...now, ...waiting, ...held, ...booked, ...done];
}

function callNext() {
  if (!queue || at("call-next").disabled) return;
  press(at("call-next"), null, async () => {
    const { called, completed } = await postOnce(`/queues/${doctor.id}/call-next`, { version: queue.version });
    const done = completed ? `Completed ${completed.token}. ` : "";
    return called ? `${done}Called ${called.token} ${called.patient.name}.` : `${done}Nobody is waiting.`;
  });
}

function onVerb(name, visit, button) {
  const { ask, send, done } = VERBS[name];
  return press(button ?? lastButton(visit), visit, async () => {
    const said = ask ? await ASK[ask]({ visit, queue, hospitalId: user.hospital_id }) : {};
    if (!said) return "";
    await send(visit, said);
    return `${done}: ${visit.token} ${visit.patient.name}.`;
  });
}

// By key or from a dialog, the visit's "More" is the one that rests.
function lastButton(visit) {
  return document.querySelector(`.visit[data-key="${visit.id}"] button:last-child`);
}

async function onMore(visit) {
  const name = await askVerb(visit, { role: user.role, timezone: queue.timezone });
  const current = visitsOf(queue).find(({ id }) => id === visit.id);
  if (name && current) onVerb(name, current);
}

function onDay(name) {
  const { ask, send, done } = DAY[name];
  return press(at(name), null, async () => {
    const said = ask ? await ASK[ask]({ queue }) : {};
    if (!said) return "";
    await send(doctor.id, said);
    return `${done}.`;
  });
}

at("call-next").addEventListener("click", callNext);
for (const name of Object.keys(DAY)) at(name).addEventListener("click", () => onDay(name));
at("keys").addEventListener("click", openKeys);

function openKeys() {
  showKeys(keysEnabled(), switchKeys);
}

// A letter is about the visit whose row has the focus, otherwise about the one in the room.
listenToKeys((key) => {
  if (!queue || at("desk").hidden) return false;
  const visit = visitsOf(queue).find(({ id }) => String(id) === chosenVisit()) ?? queue.now.at(-1);
  const verb = visit && verbsFor(visit, user.role).find((name) => VERBS[name].key === key);
  const day = Object.keys(DAY).find((name) => DAY[name].key === key && !at(name).hidden);
  if (key === "?") openKeys();
  else if (key === "N") callNext();
  else if (key === "W") openWalkIn();
  else if (key === "M" && visit) onMore(visit);
  else if (verb) onVerb(verb, visit);
  else if (day) onDay(day);
  else return false;
  return true;
});

function openWalkIn() {
  at("walk-in").closest("details").open = true;
  at("walk-in").elements.name.focus();
}

at("walk-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const { name, phone, priority } = Object.fromEntries(new FormData(form));
  const patient = phone.trim() ? { name: name.trim(), phone: phone.trim() } : { name: name.trim() };
  press(form.querySelector("button"), null, async () => {
    const visit = await postOnce("/appointments/walk-in", { doctor_id: doctor.id, patient, priority });
    form.reset();
    form.elements.name.focus();
    return `Added ${visit.token} ${visit.patient.name}.`;
  });
});

at("logout").addEventListener("click", async () => {
  await logout();
  sitDown("You are logged out.");
});

at("other-doctor").addEventListener("click", () => {
  leaveDesk();
  openDesk();
});
