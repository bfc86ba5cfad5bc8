// A select with the free times of one doctor and day.

import { get } from "/web/shared/api.js";
import { answerFor, element } from "/web/shared/paper.js";

const shown = new WeakMap();

/** Offers what is free. Until that is here nothing can be chosen, and of two questions the later one is answered. */
export async function offerFreeTimes(select, doctorId, date, { label = ({ time }) => time, nothing = "nothing free on this day" } = {}) {
  const question = `${doctorId} ${date}`;
  const chosen = shown.get(select) === question ? select.value : "";
  shown.set(select, question);
  select.replaceChildren(element("option", { value: "" }, "…"));
  const answer = await answerFor(select, get(`/doctors/${doctorId}/slots?date=${date}`));
  if (!answer) return;
  const free = answer.slots.filter((slot) => slot.free);
  select.replaceChildren(...free.map((slot) => element("option", { value: slot.time }, label(slot))));
  if (!free.length) select.append(element("option", { value: "" }, nothing));
  if (free.some(({ time }) => time === chosen)) select.value = chosen;
}
