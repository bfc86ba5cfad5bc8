// A visit in words, in the language of the page: the server wrote the same into it (`token_words.py`), this keeps it true.

import { clockTime, dateOf, now } from "/web/shared/clock.js";
import { isNumbered, range, rounded } from "/web/shared/words.js";

const NEXT_WITHIN_MIN = 5;
const SAME_FOR_ALL = new Set(["ON_HOLD", "COMPLETED", "NO_SHOW", "CANCELLED"]);

/** The page's texts by name. */
export const texts = JSON.parse(document.body.dataset.texts);

/** A text with its places filled in: `fill("ahead_many", { n: 3 })`. */
export const fill = (name, values) => texts[name].replace(/\{(\w+)\}/g, (_, place) => values[place]);

const counted = (name, n) => fill(`${name}_${["none", "one"][n] ?? "many"}`, { n });
const roomOf = ({ doctor: { room } }) => (isNumbered(room) ? fill("room", { room }) : room);

/** What stands in each part of the page; without times while it is not `live`. */
export function words(visit, live) {
  const [headline, advice] = tidings(visit);
  return {
    hospital: visit.hospital,
    token: visit.token,
    headline,
    advice,
    ...times(visit, live),
    message: message(visit),
    doctor: visit.doctor.name,
    room: roomOf(visit),
    serving: visit.now_serving.join(", ") || texts.nobody,
    day: visit.date === today(visit) ? texts.today : dateIn(visit.date),
    why: live ? why(visit) : "",
  };
}

/** What the page says of its own connection. */
export function livenessWords({ live, connecting, since }, timezone) {
  if (live) return texts.live;
  return connecting ? texts.connecting : fill("showing", { time: clockTime(since, timezone) });
}

const today = ({ timezone }) => dateOf(now(), timezone);

function tidings(visit) {
  const where = roomOf(visit);
  if (visit.status === "CALLED") return [texts.your_turn, where ? fill("go_to", { where }) : texts.come_in];
  if (visit.status === "IN_CONSULTATION") return [texts.with_doctor, where];
  if (SAME_FOR_ALL.has(visit.status)) return texts[visit.status];
  if (visit.date > today(visit)) return [texts.booked, dateIn(visit.date)];
  return [place(visit), advice(visit)];
}

function place({ ahead }) {
  if (ahead === null) return texts.waiting;
  return ahead === 0 ? texts.next : counted("ahead", ahead);
}

function advice({ status, ahead, may }) {
  if (status === "CHECKED_IN") return ahead === 0 ? texts.stay_close : texts.checked_in;
  return may.includes("check_in") ? texts.check_in_here : texts.check_in_desk;
}

function times(visit, live) {
  const { status, ahead, expected_at, expected_from, expected_to, be_here_by, timezone } = visit;
  const timeless = (about) => ({ about, range: "", "be-here": "" });
  if (status !== "BOOKED" && status !== "CHECKED_IN") return timeless("");
  if (!live) return timeless(texts.time_lost);
  if (!expected_at) return timeless(texts.no_time);
  if (ahead === 0 && Date.parse(expected_at) - now() < NEXT_WITHIN_MIN * 60_000) return timeless(texts.soon);
  return {
    about: fill("about", { time: clockTime(rounded(expected_at), timezone) }),
    range: `(${range(expected_from, expected_to, timezone)})`,
    "be-here": be_here_by ? fill("be_here_by", { time: clockTime(be_here_by, timezone) }) : "",
  };
}

function message({ state, paused_until, delay_minutes, timezone }) {
  if (state === "CLOSED") return texts.closed;
  if (state === "PAUSED") return paused_until ? fill("paused_until", { time: clockTime(paused_until, timezone) }) : texts.paused;
  return delay_minutes ? fill("delayed", { n: delay_minutes }) : "";
}

function why({ status, ahead, place: rule, because, timezone }) {
  if (ahead === null) return texts.afterwards[status];
  const people = [counted("before", ahead), because && sum(because, timezone)].filter(Boolean).join(" ");
  return status === "BOOKED" ? fill("why_booked", { people }) : fill("why_place", { place: texts.places[rule], people });
}

function sum({ ahead, each, left, rests, begins }, timezone) {
  const parts = [ahead && fill("sum_ahead", { n: ahead, each }), left && fill("sum_left", { n: left }), rests && fill("sum_break", { n: rests })];
  const added = parts.filter(Boolean).join(" + ");
  if (begins) return fill("sum_start", { sum: added || texts.sum_first, time: clockTime(begins, timezone) });
  return ahead * each + left + rests < NEXT_WITHIN_MIN ? texts.sum_next : fill("sum", { sum: added });
}

function dateIn(date) {
  const at = new Date(`${date}T12:00:00Z`);
  return fill("date", { weekday: texts.weekdays[(at.getUTCDay() + 6) % 7], day: at.getUTCDate(), month: texts.months[at.getUTCMonth()] });
}
