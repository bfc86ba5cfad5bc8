// A select with the free times of one doctor and day.

import { get } from "/web/shared/api.js";
import { element } from "/web/shared/paper.js";

const asked = new WeakMap();

/** Offers what is free. Until that is here nothing can be chosen, and of two questions the later one is answered. */
export async function offerFreeTimes(select, doctorId, date, label = ({ time }) => time) {
  const question = `${doctorId} ${date}`;
  const chosen = asked.get(select) === question ? select.value : "";
  asked.set(select, question);
  select.replaceChildren(element("option", { value: "" }, "…"));
  const { slots } = await get(`/doctors/${doctorId}/slots?date=${date}`);
  if (asked.get(select) !== question) return;
  const free = slots.filter((slot) => slot.free);
  select.replaceChildren(...free.map((slot) => element("option", { value: slot.time }, label(slot))));
  if (!free.length) select.append(element("option", { value: "" }, "nothing free on this day"));
  if (free.some(({ time }) => time === chosen)) select.value = chosen;
}
