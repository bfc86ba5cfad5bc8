// How the line is spoken of: one wording for every page.

import { clockTime } from "/web/shared/clock.js";

export const STATUS = {
  BOOKED: "booked",
  CHECKED_IN: "waiting",
  CALLED: "called",
  IN_CONSULTATION: "with the doctor",
  ON_HOLD: "on hold",
  COMPLETED: "completed",
  NO_SHOW: "did not come",
  CANCELLED: "cancelled",
};

// Nobody can promise the minute: what is expected is told in steps of five.
const STEP_MS = 5 * 60_000;

/** An instant in steps of five minutes, as milliseconds. */
export const rounded = (at, round = Math.round) => round(Date.parse(at) / STEP_MS) * STEP_MS;

/** "about 10:40", or nothing where there is no honest number. */
export function about(at, timezone) {
  return at ? `about ${clockTime(rounded(at), timezone)}` : "";
}

/** "10:25–11:05", rounded outwards. */
export function range(from, to, timezone) {
  return from && to ? `${clockTime(rounded(from, Math.floor), timezone)}–${clockTime(rounded(to, Math.ceil), timezone)}` : "";
}

/** "1 person", "3 people". */
export function people(count) {
  return count === 1 ? "1 person" : `${count} people`;
}

/** "Room 3" for a room that is a number, the room's own words otherwise ("Ground floor, left"). */
export function roomName(room) {
  return isNumbered(room) ? `Room ${room}` : room;
}

/** Whether a room is a number, such as 3 or B-12, and not words. */
export function isNumbered(room) {
  return /^[\dA-Z][\dA-Z-]{0,4}$/i.test(room);
}

/** "Live", "Connecting …", "Not live since 10:42": what a page says of itself. */
export function liveWords(liveness, timezone) {
  if (liveness.live) return "Live";
  if (liveness.connecting) return "Connecting …";
  return liveness.since ? `Not live since ${clockTime(liveness.since, timezone)}` : "Not live: no connection yet";
}

/** The `data-state` that goes with those words. */
export function liveState(liveness) {
  return liveness.live ? "live" : liveness.connecting ? "connecting" : "off";
}
