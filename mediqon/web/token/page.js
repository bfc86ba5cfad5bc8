// One patient's own token: fetched by its code, refetched whenever its doctor's line moves.

import { conditional } from "/web/shared/api.js";
import { now } from "/web/shared/clock.js";
import { LiveLine, isOlder } from "/web/shared/live.js";
import { mark, part, show, write } from "/web/shared/paper.js";
import { liveState } from "/web/shared/words.js";
import { drawOwn, wireOwn } from "/web/token/own.js";
import { livenessWords, texts, words } from "/web/token/words.js";

// A whole waiting room hears of the same change: spread its questions.
const SPREAD_MS = 400;
const REFRESH_MS = 30_000;
const RETRY_MS = 3_000;
const NEAR = 1;
const CALLED_BUZZ_MS = [400, 150, 400, 150, 400];
const NEAR_BUZZ_MS = [200, 100, 200];

const code = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const path = document.body.dataset.token + encodeURIComponent(code);
const fetchToken = conditional(path);
const at = (name) => part(document, name);

let visit = null;
let fetchedAt = null;
let lineAt = null;
let line = null;
let liveness = { live: false, connecting: true };
let refetchTimer = 0;

wireOwn(path, take);
navigator.serviceWorker?.register("/offline.js").catch(() => {});
start();

// The page brings a first view along; kept by the phone it may be old, so it counts as not live until the line says so.
async function start() {
  const brought = document.body.dataset.view;
  if (brought && !visit) {
    fetchedAt = Date.parse(document.body.dataset.at);
    take(JSON.parse(brought));
  } else if (!(await looked())) return;
  line = new LiveLine(document.body.dataset.line + visit.doctor.id, { onFrame: lineMoved, onLiveness: takeLiveness, poll });
  line.open();
  setInterval(() => document.visibilityState === "visible" && liveness.live && refetchSoon(), REFRESH_MS);
}

async function looked() {
  try {
    await refetch();
    return true;
  } catch (error) {
    if (error.status === 404) return explain(texts.unknown);
    explain(texts.no_connection);
    setTimeout(start, RETRY_MS * (0.7 + 0.6 * Math.random()));
    return false;
  }
}

function take(news) {
  if (visit && isOlder(news, visit)) return;
  buzz(visit, news);
  visit = news;
  draw();
}

// In a pocket, a phone can only be felt.
function buzz(before, after) {
  if (!before) return;
  const near = after.status === "CHECKED_IN" && after.ahead <= NEAR && before.ahead > NEAR;
  const called = after.status === "CALLED" && before.status !== "CALLED";
  if (called || near) navigator.vibrate?.(called ? CALLED_BUZZ_MS : NEAR_BUZZ_MS);
}

async function refetch() {
  const news = await fetchToken();
  fetchedAt = now();
  if (news) take(news);
  else draw();
}

function lineMoved(frame) {
  lineAt = frame;
  if (isBehind()) refetchSoon();
}

function isBehind() {
  return lineAt !== null && isOlder(visit, lineAt);
}

function refetchSoon(wait = SPREAD_MS) {
  clearTimeout(refetchTimer);
  refetchTimer = setTimeout(() => refetch().catch(() => {}).finally(() => isBehind() && refetchSoon(RETRY_MS)), wait * Math.random());
}

async function poll() {
  await refetch();
  return visit.stale ? null : 0;
}

function takeLiveness(news) {
  const back = news.live && !liveness.live;
  liveness = news;
  if (back) refetchSoon();
  draw();
}

function draw() {
  if (!visit) return;
  show(at("notice"), false);
  show(at("visit"), true);
  show(at("hint"), true);
  drawLiveness();
  at("visit").dataset.status = visit.status;
  const said = words(visit, isLive());
  for (const [name, text] of Object.entries(said)) write(at(name), text);
  mark(at("token"), "data-long", Math.min(8, visit.token.length));
  show(at("times"), Boolean(said.about));
  show(at("message"), Boolean(said.message));
  document.title = `${visit.token} · ${said.headline}`;
  drawOwn(visit, path);
}

// A live line and an answer that fell behind it is not live; an answer fetched by polling is.
function isLive() {
  return liveness.live && !visit.stale;
}

function drawLiveness() {
  const shown = isLive() ? { live: true } : { ...liveness, live: false, since: liveness.since ?? fetchedAt };
  at("live").dataset.state = liveState(shown);
  write(at("live"), livenessWords(shown, visit.timezone));
}

function explain([title, text]) {
  show(at("visit"), false);
  show(at("notice"), true);
  write(at("notice-title"), title);
  write(at("notice-text"), text);
  show(at("live"), false);
  return false;
}
