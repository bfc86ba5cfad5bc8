// One doctor's part of the wall: the same frame and language always draw the same cell.

import { clockTime } from "/web/shared/clock.js";
import { element, keepRows, mark, part, show, write } from "/web/shared/paper.js";
import { range, rounded } from "/web/shared/words.js";

const NEXT_SHOWN = 12;
const NOW_SHOWN = 3;
const RECENT_SHOWN = 4;
const LONG_ROOM = 9;
const LONGEST_TOKEN = 8;
const LONG_NAME = 22;

/** Draws `frame` into `cell` with the words of `texts`. */
export function drawCell(cell, frame, texts) {
  write(part(cell, "doctor"), frame.doctor);
  mark(part(cell, "doctor"), "data-long", frame.doctor.length > LONG_NAME);
  const room = frame.room ? texts.room(frame.room) : "";
  write(part(cell, "room"), room);
  mark(part(cell, "room"), "data-long", room.length > LONG_ROOM);
  write(part(cell, "next-title"), texts.next);
  write(part(cell, "before-title"), texts.before);
  for (const [name, words] of [["now", texts.nowServing], ["next", texts.next], ["recent", texts.before]]) mark(part(cell, name), "aria-label", words);
  drawState(cell, frame, texts);
  drawNow(cell, frame);
  drawNext(cell, frame, texts);
  drawTokens(part(cell, "recent"), frame.recent.slice(0, RECENT_SHOWN), texts.nobodyYet);
}

function drawState(cell, frame, texts) {
  const state = part(cell, "state");
  const message = messageOf(frame, texts);
  show(state, frame.state !== "OPEN");
  state.dataset.state = frame.state;
  write(state, frame.state === "PAUSED" ? texts.paused : texts.closed);
  mark(part(cell, "label"), "data-message", Boolean(message));
  write(part(cell, "label"), message || texts.nowServing);
}

function messageOf({ state, paused_until, delay_minutes, timezone }, texts) {
  if (state === "CLOSED") return texts.closedToday;
  if (state === "PAUSED") return paused_until ? texts.pausedUntil(clockTime(paused_until, timezone)) : texts.pausedForNow;
  return delay_minutes ? texts.late(delay_minutes) : "";
}

function drawNow(cell, frame) {
  const serving = frame.now_serving.slice(-NOW_SHOWN);
  const list = part(cell, "now");
  list.dataset.count = serving.length;
  list.dataset.long = Math.min(LONGEST_TOKEN, Math.max(0, ...serving.map((token) => token.length)));
  cell.classList.toggle("idle", serving.length === 0);
  drawTokens(list, serving, "–");
}

function drawTokens(list, tokens, none) {
  const items = tokens.length ? tokens : [none];
  keepRows(list, items, { key: (token) => token, make: () => element("li", { class: "token" }), fill: write });
  mark(list.firstElementChild, "class", tokens.length ? "token" : "none");
}

function drawNext(cell, frame, texts) {
  const waiting = frame.tokens.filter((visit) => visit.status === "CHECKED_IN");
  write(part(cell, "waiting"), waiting.length ? texts.waiting(waiting.length) : "");
  const items = waiting.length ? waiting.slice(0, NEXT_SHOWN) : [{ token: texts.nobodyWaiting, none: true }];
  keepRows(part(cell, "next"), items, {
    key: (visit) => visit.token,
    make: () => element("li", {}, element("span", { class: "token" }), element("span", { class: "times" }, element("span", { class: "when" }), element("span", { class: "range" }))),
    fill: (row, visit) => fillNext(row, visit, frame.timezone, texts),
  });
}

function fillNext(row, visit, timezone, texts) {
  const [token, times] = row.children;
  const [when, spread] = times.children;
  const timed = visit.ahead > 0 && visit.expected_at;
  mark(row, "class", visit.none ? "none" : null);
  write(token, visit.token);
  write(when, visit.ahead === 0 ? texts.isNext : timed ? texts.about(clockTime(rounded(visit.expected_at), timezone)) : "");
  write(spread, timed ? range(visit.expected_from, visit.expected_to, timezone) : "");
}
