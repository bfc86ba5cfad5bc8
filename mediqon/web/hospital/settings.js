// What the hospital decides about itself, and who may work here.

import { get, patch, postOnce, remove } from "/web/shared/api.js";
import { answerFor, element, part } from "/web/shared/paper.js";
import { onSend, sure } from "/web/hospital/asking.js";

const WORDS = new Set(["name", "timezone"]);
const at = (name) => part(document, name);
let house = null;

export async function openSettings(here) {
  house = here;
  const form = at("settings");
  form.dataset.keep = "";
  onSend(form, house.act, save);
  onSend(at("new-staff"), house.act, addStaff);
  await Promise.all([fill(form), drawStaff()]);
}

// Until the values are here, nobody can type what they would overwrite.
async function fill(form) {
  form.inert = true;
  const settings = await answerFor(form, get(`/hospitals/${house.id}/settings`));
  if (!settings) return;
  for (const [name, value] of Object.entries(settings)) {
    if (form.elements[name]?.type === "checkbox") form.elements[name].checked = value;
    else if (form.elements[name]) form.elements[name].value = value;
  }
  form.inert = false;
}

async function save(fields, form) {
  const changed = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, WORDS.has(name) ? value : Number(value)]));
  await patch(`/hospitals/${house.id}/settings`, { ...changed, patient_check_in: form.elements.patient_check_in.checked });
  await house.refresh();
  return "Saved; it holds at once.";
}

async function addStaff(fields) {
  const user = await postOnce(`/hospitals/${house.id}/staff`, fields);
  await drawStaff();
  return `${user.name} can log in now.`;
}

async function drawStaff() {
  const staff = await answerFor(at("staff"), get(`/hospitals/${house.id}/staff`));
  if (staff) at("staff").replaceChildren(...staff.map(staffRow));
}

function staffRow(user) {
  const own = user.id === house.user.id;
  const disable = element("button", { type: "button", class: "quiet grave", "aria-label": `Disable ${user.name}` }, "Disable");
  disable.onclick = async () => {
    if (!(await sure(`Disable ${user.name}?`, "This account can no longer log in. That cannot be taken back.", "Disable it"))) return;
    house.act(disable, async () => {
      await remove(`/hospitals/${house.id}/staff/${user.id}`);
      await drawStaff();
      return `${user.name} is disabled.`;
    });
  };
  return element("li", { class: "person" }, element("div", {}, element("p", { class: "what" }, user.name), element("p", { class: "small soft" }, user.email)), own ? element("span", { class: "soft" }, "you") : disable);
}
