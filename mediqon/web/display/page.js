// The waiting-room screen: every doctor of one display, each frame a complete state.

import { post } from "/web/shared/api.js";
import { clockTime, dayOf, everyMinute, now } from "/web/shared/clock.js";
import { LiveLine } from "/web/shared/live.js";
import { copyOf, keepRows, mark, part, show, write } from "/web/shared/paper.js";
import { liveState } from "/web/shared/words.js";
import { drawCell } from "/web/display/cell.js";
import { speakInTurn } from "/web/display/languages.js";
import { keepMoving, memory, stayAwake } from "/web/display/screen.js";
import { Announcer } from "/web/display/sound.js";

const CALL_SHOWN_MS = 8_000;
// A call made while the screen was away is still news for so long.
const MISSED_CALL_MS = 60_000;
// What is older than a working day is not worth showing, not even as not live.
const REMEMBERED_MS = 12 * 3_600_000;

const doctors = new Map();
const heardCalls = new Map();
const board = part(document, "board");
const key = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const kept = memory(`mediqon.wall.${key}`);
const found = kept.read();
const before = found && now() - found.at < REMEMBERED_MS ? found : null;
let texts = null;
let timezone;
let liveness = { live: false, connecting: true };
const announcer = new Announcer(drawSound);

const languages = document.body.dataset.languages.split(" ").filter(Boolean);
const all = speakInTurn(languages.length ? languages : (before?.languages ?? []), (turn) => {
  texts = turn;
  draw();
});
announcer.speakThese(all);
for (const frame of before?.frames ?? []) take(frame);
draw();

const line = new LiveLine(document.body.dataset.line + encodeURIComponent(key), { onFrame: takeFrame, onLiveness: takeLiveness });
line.open();
everyMinute(() => {
  drawClock();
  if (!liveness.live) return;
  keep();
  sayHere();
});
part(document, "sound").addEventListener("click", () => announcer.toggle());
part(document, "follow-code").src = `/qr/display/${encodeURIComponent(key)}`;
keepMoving();
stayAwake();
navigator.serviceWorker?.register("/offline.js").catch(() => {});

function take(frame) {
  doctors.set(frame.doctor_id, frame);
  timezone = frame.timezone ?? timezone;
}

function takeFrame(frame) {
  const seen = doctors.get(frame.doctor_id);
  take(frame);
  draw();
  announceCall(frame, seen);
  keep();
}

function takeLiveness(news) {
  if (news.live && !liveness.live) sayHere();
  liveness = news;
  drawLiveness();
}

function keep() {
  kept.write({ at: now(), languages: all.map(({ lang }) => lang), frames: [...doctors.values()] });
}

function draw() {
  if (!texts) return;
  keepRows(board, [...doctors.values()].sort(byRoom), { key: (d) => d.doctor_id, make: () => copyOf("doctor"), fill: (cell, frame) => drawCell(cell, frame, texts) });
  board.dataset.doctors = Math.min(doctors.size, 8);
  write(part(document, "heading"), [...doctors.values()][0]?.hospital ?? "Mediqon");
  write(part(document, "follow-words"), texts.follow);
  show(part(document, "follow"), doctors.size > 0);
  markLatest();
  drawClock();
  drawLiveness();
  drawSound(announcer?.state);
}

function byRoom(a, b) {
  return String(a.room).localeCompare(String(b.room), undefined, { numeric: true }) || a.doctor_id - b.doctor_id;
}

function markLatest() {
  const called = [...doctors.values()].filter((d) => d.called_at && d.now_serving.length);
  const latest = called.sort((a, b) => Date.parse(b.called_at) - Date.parse(a.called_at))[0];
  for (const cell of board.children) cell.classList.toggle("latest", doctors.size > 1 && cell.dataset.key === String(latest?.doctor_id));
}

// A call is news only when its number grew past what this screen has seen: never an old one, never one twice.
function announceCall(frame, seen) {
  const heard = heardCalls.get(frame.doctor_id);
  heardCalls.set(frame.doctor_id, { date: frame.date, seq: frame.call_seq });
  if (!heard || heard.date !== frame.date || frame.call_seq <= heard.seq) return;
  if (!liveness.live && now() - Date.parse(frame.called_at) > MISSED_CALL_MS) return;
  const called = calledSince(seen, frame);
  if (!called.length) return;
  flash([...board.children].find((cell) => cell.dataset.key === String(frame.doctor_id)), called);
  for (const token of called) {
    announcer.announce(token, frame.room, () => doctors.get(frame.doctor_id).now_serving.includes(token));
  }
  write(part(document, "announcer"), `${called.join(", ")}, ${texts.room(frame.room)}`);
}

// Several may be in the room: only who was called, or called again, is announced.
function calledSince(seen, frame) {
  const before = new Map(seen?.now_serving.map((token, index) => [token, seen.calls?.[index]]));
  return frame.now_serving.filter((token, index) => !before.has(token) || frame.calls[index] > before.get(token));
}

function flash(cell, called) {
  for (const token of part(cell, "now").children) mark(token, "data-called", called.includes(token.dataset.key));
  cell.classList.remove("called");
  void cell.offsetWidth; // restarts the animation for a recall
  cell.classList.add("called");
  clearTimeout(cell.quietAgain);
  cell.quietAgain = setTimeout(() => cell.classList.remove("called"), CALL_SHOWN_MS);
}

function drawLiveness() {
  if (!texts) return;
  const gone = liveness.stopped === "unknown" || liveness.stopped === "forbidden";
  const sign = part(document, "live");
  sign.dataset.state = liveState(liveness);
  write(sign, liveWords());
  show(sign, !gone);
  document.body.dataset.live = liveState(liveness);
  show(board, !gone);
  show(part(document, "notice"), gone || doctors.size === 0);
  const [title, text] = gone ? texts.withdrawn : liveness.live || liveness.connecting ? texts.oneMoment : texts.noConnection;
  write(part(document, "notice-title"), title);
  write(part(document, "notice-text"), text);
}

function liveWords() {
  if (liveness.live) return texts.live;
  if (liveness.connecting) return texts.connecting;
  const since = liveness.since ?? before?.at;
  return since ? texts.notLiveSince(clockTime(since, timezone)) : texts.notLive;
}

function drawSound(state) {
  if (!texts || !state) return;
  const button = part(document, "sound");
  button.dataset.state = state;
  write(part(button, "sound-words"), state === "on" ? texts.soundOff : texts.soundOn);
  mark(button, "aria-label", state === "on" ? texts.soundOff : texts.soundOn);
}

function drawClock() {
  show(part(document, "clock").parentElement, Boolean(timezone));
  write(part(document, "clock"), clockTime(now(), timezone));
  write(part(document, "day"), dayOf(now(), timezone, texts?.locale));
}

// The hospital sees which of its screens are on; and a television's clock is often wrong: the answer tells the right time.
function sayHere() {
  post(`/displays/${encodeURIComponent(key)}/seen`, {}, { anonymous: true }).catch(() => {}).then(drawClock);
}
