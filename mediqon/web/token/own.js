// What a patient does with their own visit: I am here, I am late, I am not coming. Which of these the server says.

import { post, Refusal } from "/web/shared/api.js";
import { mark, part, say, show, whileBusy, write } from "/web/shared/paper.js";
import { fill, texts } from "/web/token/words.js";

const at = (name) => part(document, name);

/** Shows what may be done with this visit. */
export function drawOwn(visit, path) {
  const may = new Set(visit.may);
  show(at("check-in"), may.has("check_in"));
  show(at("late"), may.has("late"));
  show(at("cancel"), may.has("cancel") && at("sure").hidden);
  show(at("calendar"), visit.status === "BOOKED" && Boolean(visit.scheduled_at));
  mark(at("calendar"), "href", `${path}/visit.ics`);
  if (!may.has("late")) open("late", "how-late", false);
  if (!may.has("cancel")) show(at("sure"), false);
}

/** Wires the buttons; `take(view)` gets the visit as it then is. */
export function wireOwn(path, take) {
  const press = (button, verb, body, done) => whileBusy(button, async () => {
    say(at("status"), "");
    try {
      take(await post(`${path}/${verb}`, body, { anonymous: true }));
      say(at("status"), done, "good");
    } catch (error) {
      say(at("status"), inWords(error), "bad");
    }
  });
  for (const button of at("how-late").children) if (button.dataset.late > 0) write(button, fill("minutes", { n: button.dataset.late }));
  at("check-in").onclick = () => press(at("check-in"), "check-in", {}, texts.checked_in);
  at("late").onclick = () => open("late", "how-late", at("how-late").hidden);
  at("how-late").onclick = async ({ target }) => {
    const minutes = Number(target.dataset.late);
    if (!target.dataset.late) return;
    await press(target, "late", { minutes }, minutes ? fill("late_known", { n: minutes }) : texts.on_time_known);
    open("late", "how-late", false);
  };
  at("cancel").onclick = () => ask(true);
  at("keep").onclick = () => ask(false);
  at("really").onclick = () => press(at("really"), "cancel", {}, texts.cancelled_now).then(() => show(at("sure"), false));
}

// The server explains itself in English.
function inWords(error) {
  if (!(error instanceof Refusal)) return texts.unreachable;
  return texts.lang === "en" ? error.message : texts.refused;
}

function open(button, choices, shown) {
  show(at(choices), shown);
  mark(at(button), "aria-expanded", String(shown));
}

function ask(sure) {
  show(at("sure"), sure);
  show(at("cancel"), !sure);
  (sure ? at("keep") : at("cancel")).focus();
}
