// The doctor's desk: one list, the same on every device that looks at it; one button that matters.

import { accessToken, creating, get, logout, patch, post, spoilAccessToken } from "/web/shared/api.js";
import { everyMinute } from "/web/shared/clock.js";
import { LiveLine } from "/web/shared/live.js";
import { part, say, show, whileBusy, write } from "/web/shared/paper.js";
import { liveState, liveWords } from "/web/shared/words.js";
import { chosenDoctor, seatedUser } from "/web/desk/login.js";
import { doneWords, drawQueue, rememberFocus } from "/web/desk/list.js";

const CONFLICTS = new Set(["stale_version", "illegal_transition", "queue_paused", "queue_closed"]);
const at = (name) => part(document, name);
const addWalkIn = creating("/appointments/walk-in");

let user = null;
let doctor = null;
let queue = null;
let line = null;

everyMinute(() => queue && draw());
sitDown();

async function sitDown(reason) {
  leaveDesk();
  user = await seatedUser(reason);
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
  line.offer(await get(`/appointments/doctor/${doctor.id}/today`));
  return 0;
}

function draw() {
  drawQueue(queue, { role: user.role, onMove: move });
}

function drawLiveness(liveness) {
  at("live").dataset.state = liveState(liveness);
  write(at("live"), liveWords(liveness, queue?.timezone));
  if (liveness.stopped === "login") sitDown("Please log in again.");
  if (liveness.stopped === "forbidden") say(at("status"), "This account may not see this desk.", "bad");
  if (liveness.stopped === "unknown") say(at("status"), "This desk does not exist.", "bad");
}

// Every press: in flight the button rests, afterwards the status line tells what happened.
function press(button, work) {
  const focus = rememberFocus();
  return whileBusy(button, async () => {
    say(at("status"), "");
    try {
      say(at("status"), await work(), "good");
    } catch (error) {
      await explain(error);
    }
  }).then(() => {
    if (queue) draw();
    focus.restore();
  });
}

async function explain(error) {
  if (error.status === 401) return sitDown("Please log in again.");
  say(at("status"), CONFLICTS.has(error.code) ? `The queue changed meanwhile: ${error.message}` : error.message, "bad");
  // The answer may be lost while the deed is done: show what is, whether the socket lives or not.
  return fetchQueue().catch(() => {});
}

function callNext() {
  if (!queue || at("call-next").disabled) return;
  press(at("call-next"), async () => {
    const { called, completed } = await post(`/queues/${doctor.id}/call-next`, { version: queue.version });
    const done = completed ? `Completed ${completed.token}. ` : "";
    return called ? `${done}Called ${called.token} ${called.patient.name}.` : `${done}Nobody is waiting.`;
  });
}

function move(visit, status, button) {
  press(button, async () => {
    await patch(`/appointments/${visit.id}/status`, { status, version: visit.version });
    return doneWords(status, visit);
  });
}

at("call-next").addEventListener("click", callNext);

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea");
  if (event.key.toLowerCase() !== "n" || typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  callNext();
});

at("walk-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const { name, phone, priority } = Object.fromEntries(new FormData(form));
  const patient = phone.trim() ? { name: name.trim(), phone: phone.trim() } : { name: name.trim() };
  press(form.querySelector("button"), async () => {
    const visit = await addWalkIn({ doctor_id: doctor.id, patient, priority });
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
