// The waiting-room screen: every doctor of one display, each frame a complete state.

import { get } from "/web/shared/api.js";
import { clockTime, dayOf, everyMinute, now } from "/web/shared/clock.js";
import { LiveLine } from "/web/shared/live.js";
import { copyOf, element, keepRows, mark, part, show, write } from "/web/shared/paper.js";
import { about, liveState, liveWords, roomName } from "/web/shared/words.js";

const NEXT_SHOWN = 12;
const NOW_SHOWN = 3;
const RECENT_SHOWN = 4;
const LONG_ROOM = 9;
const LONGEST_TOKEN = 8;
const CALL_SHOWN_MS = 8_000;

const doctors = new Map();
const heardCalls = new Map();
const board = part(document, "board");
let timezone;
let liveness = { live: false, connecting: true };

const key = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const line = new LiveLine(document.body.dataset.line + encodeURIComponent(key), {
  onFrame: takeFrame,
  onLiveness: (news) => {
    if (news.live && !liveness.live) checkClock();
    liveness = news;
    drawLiveness();
  },
});
line.open();
everyMinute(drawClock);

function takeFrame(frame) {
  doctors.set(frame.doctor_id, frame);
  timezone = frame.timezone ?? timezone;
  keepRows(board, [...doctors.values()].sort(byRoom), { key: (d) => d.doctor_id, make: () => copyOf("doctor"), fill: drawDoctor });
  board.dataset.doctors = Math.min(doctors.size, 8);
  write(part(document, "heading"), frame.hospital ?? "Waiting room");
  markLatest();
  announceCall(frame);
  drawClock();
  drawLiveness();
}

function byRoom(a, b) {
  return String(a.room).localeCompare(String(b.room), undefined, { numeric: true }) || a.doctor_id - b.doctor_id;
}

function drawDoctor(cell, frame) {
  write(part(cell, "doctor"), frame.doctor);
  write(part(cell, "room"), roomName(frame.room));
  mark(part(cell, "room"), "data-long", roomName(frame.room).length > LONG_ROOM);
  drawState(cell, frame);
  drawNow(cell, frame);
  drawNext(cell, frame);
  drawTokens(part(cell, "recent"), frame.recent.slice(0, RECENT_SHOWN), "nobody yet");
}

function drawState(cell, frame) {
  const state = part(cell, "state");
  show(state, frame.state !== "OPEN");
  state.dataset.state = frame.state;
  write(state, frame.state === "PAUSED" ? "Paused" : "Closed");
  mark(part(cell, "label"), "data-message", Boolean(frame.message));
  write(part(cell, "label"), frame.message || "Now serving");
}

function drawNow(cell, frame) {
  const serving = frame.now_serving.slice(0, NOW_SHOWN);
  const list = part(cell, "now");
  list.dataset.count = serving.length;
  list.dataset.long = Math.min(LONGEST_TOKEN, Math.max(0, ...serving.map((token) => token.length)));
  cell.classList.toggle("idle", serving.length === 0);
  drawTokens(list, serving, "–");
}

function drawTokens(list, tokens, none) {
  const items = tokens.length ? tokens : [none];
  keepRows(list, items, { key: (token) => token, make: () => element("li"), fill: write });
  mark(list.firstElementChild, "class", tokens.length ? null : "none");
}

function drawNext(cell, frame) {
  const waiting = frame.tokens.filter((visit) => visit.status === "CHECKED_IN");
  write(part(cell, "waiting"), waiting.length ? `${waiting.length} waiting` : "");
  const items = waiting.length ? waiting.slice(0, NEXT_SHOWN) : [{ token: "Nobody is waiting", none: true }];
  keepRows(part(cell, "next"), items, {
    key: (visit) => visit.token,
    make: () => element("li", {}, element("span"), element("span", { class: "when" })),
    fill: (row, visit) => {
      mark(row, "class", visit.none ? "none" : null);
      write(row.firstElementChild, visit.token);
      write(row.lastElementChild, visit.ahead === 0 ? "next" : about(visit.expected_at, frame.timezone));
    },
  });
}

function markLatest() {
  const called = [...doctors.values()].filter((d) => d.called_at && d.now_serving.length);
  const latest = called.sort((a, b) => Date.parse(b.called_at) - Date.parse(a.called_at))[0];
  for (const cell of board.children) cell.classList.toggle("latest", doctors.size > 1 && cell.dataset.key === String(latest?.doctor_id));
}

// A call is news only when its number grew past what this screen has seen: never an old one, never one twice.
function announceCall(frame) {
  const heard = heardCalls.get(frame.doctor_id);
  heardCalls.set(frame.doctor_id, { date: frame.date, seq: frame.call_seq });
  if (!heard || heard.date !== frame.date || frame.call_seq <= heard.seq || !frame.now_serving.length) return;
  const cell = [...board.children].find((c) => c.dataset.key === String(frame.doctor_id));
  cell.classList.remove("called");
  void cell.offsetWidth; // restarts the animation for a recall
  cell.classList.add("called");
  clearTimeout(cell.quietAgain);
  cell.quietAgain = setTimeout(() => cell.classList.remove("called"), CALL_SHOWN_MS);
  write(part(document, "announcer"), `${frame.now_serving.join(", ")}, ${roomName(frame.room)}`);
}

function drawLiveness() {
  const gone = liveness.stopped === "unknown" || liveness.stopped === "forbidden";
  const sign = part(document, "live");
  sign.dataset.state = liveState(liveness);
  write(sign, liveWords(liveness, timezone));
  show(sign, !gone);
  document.body.dataset.live = liveState(liveness);
  show(board, !gone);
  show(part(document, "notice"), gone || doctors.size === 0);
  if (gone) explain("This screen is not in use", "Its link was withdrawn or never existed. The clinic can make a new one and open it here.");
  else if (liveness.live || liveness.connecting) explain("One moment", "The screen is connecting to the clinic.");
  else explain("No connection", "The screen tries again by itself. Please ask at the reception meanwhile.");
}

function explain(title, text) {
  write(part(document, "notice-title"), title);
  write(part(document, "notice-text"), text);
}

function drawClock() {
  show(part(document, "clock").parentElement, Boolean(timezone));
  write(part(document, "clock"), clockTime(now(), timezone));
  write(part(document, "day"), dayOf(now(), timezone));
}

// A television's clock is often wrong; any answer of the server tells the right time.
function checkClock() {
  get("/health/live", { anonymous: true }).catch(() => {}).then(drawClock);
}
