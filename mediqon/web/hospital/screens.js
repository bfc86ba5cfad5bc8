// The screens on the wall and the kiosks at the door: made here, opened there by their link, taken back here.

import { get, postOnce, remove } from "/web/shared/api.js";
import { clockTime, minutesSince } from "/web/shared/clock.js";
import { answerFor, element, part, show } from "/web/shared/paper.js";
import { onSend, sure } from "/web/hospital/asking.js";

const SEEN_WITHIN_MIN = 3;
const KINDS = { displays: { page: "display", title: "screen" }, kiosks: { page: "kiosk", title: "kiosk" } };
const at = (name) => part(document, name);
let house = null;

export async function openScreens(here) {
  house = here;
  const form = at("new-screen");
  at("screen-doctors").replaceChildren(...house.doctors.map(({ id, name }) => element("label", { class: "option" }, element("input", { type: "checkbox", name: "doctor_ids", value: id, checked: true }), element("span", {}, name))));
  form.elements.kind.onchange = () => show(at("screen-languages"), form.elements.kind.value === "displays");
  onSend(form, house.act, make);
  await Promise.all(Object.keys(KINDS).map(draw));
}

async function make({ kind, name }, form) {
  const all = new FormData(form);
  const doctor_ids = all.getAll("doctor_ids").map(Number);
  if (doctor_ids.length === 0) throw new Error("Choose at least one doctor.");
  if (doctor_ids.length > 8) throw new Error("A screen has room for eight doctors. Make a second one.");
  await postOnce(`/hospitals/${house.id}/${kind}`, kind === "displays" ? { name, doctor_ids, languages: all.getAll("languages") } : { name, doctor_ids });
  await draw(kind);
  return `The ${KINDS[kind].title} “${name}” is ready: open its link there.`;
}

async function draw(kind) {
  const screens = await answerFor(at(kind), get(`/hospitals/${house.id}/${kind}`));
  if (!screens) return;
  at(kind).replaceChildren(...screens.map((screen) => row(kind, screen)));
  show(at(`${kind}-empty`), screens.length === 0);
}

function row(kind, screen) {
  const names = house.doctors.filter(({ id }) => screen.doctor_ids.includes(id)).map(({ name }) => name);
  const more = [names.join(", "), (screen.languages ?? []).join(", "), seen(screen.last_seen_at)].filter(Boolean).join(" · ");
  const revoke = element("button", { type: "button", class: "quiet grave", "aria-label": `Revoke ${screen.name}` }, "Revoke");
  revoke.onclick = async () => {
    if (!(await sure(`Revoke “${screen.name}”?`, "Its link stops working at once, wherever it is open.", "Revoke it"))) return;
    house.act(revoke, async () => {
      await remove(`/${kind}/${screen.id}`);
      await draw(kind);
      return `“${screen.name}” is revoked.`;
    });
  };
  const link = element("a", { class: "button", href: screen.url, target: "_blank", rel: "noopener", "aria-label": `Open ${screen.name}` }, "Open");
  return element("li", { class: "sheet screen" }, element("div", {}, element("p", { class: "what" }, screen.name), element("p", { class: "small soft" }, more)), element("div", { class: "actions" }, link, revoke));
}

function seen(at) {
  if (!at) return "never opened";
  return minutesSince(at) < SEEN_WITHIN_MIN ? "open now" : `last seen ${clockTime(at, house.timezone)}, ${minutesSince(at)} min ago`;
}
