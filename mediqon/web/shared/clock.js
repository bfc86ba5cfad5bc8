// Every time a page shows is a time on the hospital's own wall, whatever the device believes.

const FORMATS = new Map();
// A device clock off by less than this is left alone: the Date header only knows whole seconds.
const CLOCK_SLACK_MS = 2_000;
let offBy = 0;

/** Learns from an HTTP `Date` header how wrong this device's clock is. */
export function setClock(dateHeader) {
  const there = Date.parse(dateHeader ?? "");
  if (Number.isNaN(there)) return;
  const difference = there + 500 - Date.now();
  offBy = Math.abs(difference) > CLOCK_SLACK_MS ? difference : 0;
}

/** Now, in milliseconds, by the server's clock. */
export function now() {
  return Date.now() + offBy;
}

function format(timezone, options, locale = "en-GB") {
  const name = JSON.stringify([timezone, options, locale]);
  if (!FORMATS.has(name)) FORMATS.set(name, new Intl.DateTimeFormat(locale, { timeZone: timezone ?? undefined, ...options }));
  return FORMATS.get(name);
}

/** "10:42" in the hospital's timezone; `at` is an instant (RFC 3339 or milliseconds). */
export function clockTime(at, timezone) {
  return format(timezone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at));
}

/** "Tuesday 24 November" of an instant in the hospital's timezone, in the words of `locale`. */
export function dayOf(at, timezone, locale) {
  return format(timezone, { weekday: "long", day: "numeric", month: "long" }, locale).format(new Date(at)).replace(",", "");
}

/** The hospital's date of an instant as "2026-11-24". */
export function dateOf(at, timezone) {
  const parts = Object.fromEntries(format(timezone, { year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(new Date(at)).map((p) => [p.type, p.value]));
  return `${parts.year}-${parts.month}-${parts.day}`;
}

/** "Tuesday 24 November" of a date that is already the hospital's, such as "2026-11-24", in the words of `locale`. */
export function dayName(date, options = { weekday: "long", day: "numeric", month: "long" }, locale = undefined) {
  return format("UTC", options, locale).format(new Date(`${date}T12:00:00Z`)).replace(",", "");
}

/** The date `days` after a date. */
export function daysAfter(date, days) {
  return new Date(Date.parse(`${date}T12:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

/** Whole minutes since an instant, never below 0. */
export function minutesSince(at) {
  return Math.max(0, Math.floor((now() - Date.parse(at)) / 60_000));
}

/** "under 1 min", "12 min", "1 h 05". */
export function duration(minutes) {
  if (minutes < 1) return "under 1 min";
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
}

/** Calls `draw` now and at each turn of the minute, also right after the page was asleep. */
export function everyMinute(draw) {
  let timer = 0;
  const turn = () => {
    clearTimeout(timer);
    draw();
    timer = setTimeout(turn, 60_050 - (now() % 60_000));
  };
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && turn());
  turn();
}
