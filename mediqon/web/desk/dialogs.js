// The few questions the desk asks before it does something. One `<dialog data-part="ask-…">` each, in the page.

import { get } from "/web/shared/api.js";
import { clockTime, duration, minutesSince } from "/web/shared/clock.js";
import { about, STATUS } from "/web/shared/words.js";
import { element, mark, part, show, write } from "/web/shared/paper.js";
import { keysEnabled } from "/web/desk/keys.js";
import { labelOf, VERBS, verbsFor } from "/web/desk/verbs.js";

const at = (name) => part(document, name);

/** Opens a dialog; answers with its fields, or null when it was left. Only one is open at a time. */
function asked(name, title = "") {
  const dialog = at(`ask-${name}`);
  const form = dialog.querySelector("form");
  if (title) write(part(dialog, "title"), title);
  dialog.showModal();
  return new Promise((answered) => {
    let said = null;
    form.onsubmit = (event) => {
      event.preventDefault();
      said = trimmed(new FormData(form, event.submitter));
      dialog.close();
    };
    dialog.onclose = () => answered(said);
  });
}

function trimmed(form) {
  return Object.fromEntries([...form].map(([name, value]) => [name, value.trim()]));
}

function fresh(name) {
  const form = at(`ask-${name}`).querySelector("form");
  form.reset();
  return form;
}

const who = (visit) => `${visit.token} ${visit.patient.name}`;

/** Each question by name: `(context) → fields or null`. */
export const ASK = {
  async transfer({ visit, hospitalId }) {
    const select = fresh("transfer").elements.doctor_id;
    const doctors = (await get(`/hospitals/${hospitalId}/doctors`)).filter(({ id }) => id !== visit.doctor_id);
    if (doctors.length === 0) throw new Error("This hospital has no other doctor.");
    select.replaceChildren(...doctors.map(({ id, name, specialty }) => element("option", { value: id }, specialty ? `${name}, ${specialty}` : name)));
    return asked("transfer", `Transfer ${who(visit)}`);
  },
  async priority({ visit }) {
    fresh("priority").elements.priority.value = visit.priority === "NORMAL" ? "PRIORITY" : "NORMAL";
    return asked("priority", `Priority of ${who(visit)}`);
  },
  async cancel({ visit }) {
    fresh("cancel");
    return asked("cancel", `Cancel ${who(visit)}?`);
  },
  async pause() {
    fresh("pause");
    return asked("pause");
  },
  async delay({ queue }) {
    fresh("delay").elements.minutes.value = queue.delay_minutes || 15;
    return asked("delay");
  },
  async close({ queue }) {
    fresh("close");
    const open = [...queue.now, ...queue.waiting, ...queue.held, ...queue.booked];
    show(at("close-open"), open.length > 0);
    show(at("close-none"), open.length === 0);
    write(at("close-count"), open.length === 1 ? "1 visit is" : `${open.length} visits are`);
    at("close-list").replaceChildren(...open.map((visit) => element("li", {}, `${who(visit)}, ${STATUS[visit.status]}`)));
    at("close-go").value = open.length ? "yes" : "no";
    write(at("close-go"), open.length ? "Close; who has not been seen did not come" : "Close the day");
    return asked("close");
  },
};

/** Everything about one visit, with every verb; answers with the chosen verb's name, or null. */
export async function askVerb(visit, { role, timezone }) {
  const dialog = at("ask-verb");
  const time = (instant) => clockTime(instant, timezone);
  const facts = [
    ["Now", STATUS[visit.status]],
    ["Booked for", visit.scheduled_at ? time(visit.scheduled_at) : "walk-in"],
    ["Checked in", visit.checked_in_at && `${time(visit.checked_in_at)}, ${duration(minutesSince(visit.checked_in_at))} ago`],
    ["Expected", about(visit.expected_at, timezone)],
    ["Reason", visit.reason],
    ["Place", visit.why],
  ];
  at("verb-facts").replaceChildren(...facts.filter(([, fact]) => fact).map(([name, fact]) => element("div", {}, element("dt", {}, name), element("dd", {}, fact))));
  at("verb-list").replaceChildren(...verbsFor(visit, role).map((name) => verbButton(name, visit)));
  mark(at("verb-page"), "href", `/t/${encodeURIComponent(visit.code)}`);
  dialog.onkeydown = (event) => keyIsFor(visit, role, event);
  return (await asked("verb", who(visit)))?.verb ?? null;
}

// The letters beside the verbs work here too.
function keyIsFor(visit, role, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !keysEnabled()) return;
  const name = verbsFor(visit, role).find((each) => VERBS[each].key === event.key.toUpperCase());
  if (name) at("verb-list").querySelector(`[value="${name}"]`).click();
}

function verbButton(name, visit) {
  const key = VERBS[name].key;
  const hint = key && element("kbd", { "aria-hidden": "true" }, key);
  return element("button", { name: "verb", value: name, class: VERBS[name].look?.includes("grave") ? "grave" : null }, element("span", {}, labelOf(name, visit)), hint);
}

/** Shows which keys there are. */
export function showKeys(enabled, onSwitch) {
  const box = at("keys-enabled");
  box.checked = enabled;
  box.onchange = () => onSwitch(box.checked);
  return asked("keys");
}

for (const button of document.querySelectorAll("dialog [data-leave]")) button.onclick = () => button.closest("dialog").close();
