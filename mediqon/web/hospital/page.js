// Reception and administration of one hospital: a tab for each kind of work, behind one log-in.

import { get, logout } from "/web/shared/api.js";
import { part, say, show, whileBusy, write } from "/web/shared/paper.js";
import { whoComesIn } from "/web/shared/door.js";
import { openDoctors } from "/web/hospital/doctors.js";
import { closeReception, openReception } from "/web/hospital/reception.js";
import { openReport } from "/web/hospital/report.js";
import { openScreens } from "/web/hospital/screens.js";
import { openSettings } from "/web/hospital/settings.js";

const TABS = { reception: openReception, doctors: openDoctors, screens: openScreens, report: openReport, settings: openSettings };
const at = (name) => part(document, name);

/** What every tab gets: the hospital, its doctors, and `act(button, work)`, which tells how something went. */
const house = { id: 0, name: "", timezone: "", doctors: [], act, refresh };

addEventListener("hashchange", openTab);
at("logout").addEventListener("click", async () => {
  await logout();
  comeIn("You are logged out.");
});
for (const button of document.querySelectorAll("dialog [data-leave]")) button.onclick = () => button.closest("dialog").close();
comeIn();

async function comeIn(reason) {
  closeReception();
  show(at("hospital"), false);
  show(at("who"), false);
  const user = await whoComesIn(["hospital"], "This page is for the hospital’s reception. Doctors work at the desk, patients book a visit.", reason);
  house.id = user.hospital_id;
  house.user = user;
  show(at("gate"), false);
  show(at("hospital"), true);
  show(at("who"), true);
  await act(null, refresh);
  openTab();
}

async function refresh() {
  const [hospitals, doctors] = await Promise.all([get("/hospitals"), get(`/hospitals/${house.id}/doctors`)]);
  Object.assign(house, hospitals.find(({ id }) => id === house.id), { doctors });
  write(at("name"), house.name);
  document.title = `${house.name} · Hospital`;
  return "";
}

function openTab() {
  if (!house.id) return;
  const name = location.hash.slice(1) in TABS ? location.hash.slice(1) : "reception";
  for (const tab of document.querySelectorAll("[data-tab]")) show(tab, tab.dataset.tab === name);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  show(at("live"), name === "reception");
  say(at("status"), "");
  act(null, async () => {
    await TABS[name](house);
    return "";
  });
}

/** Does something; the status line says how it went. Answers with whether it did. */
async function act(button, work) {
  say(at("status"), "");
  const attempt = async () => {
    try {
      const words = await work();
      if (words) say(at("status"), words, "good");
      return true;
    } catch (error) {
      if (error.status === 401) comeIn("Please log in again.");
      else say(at("status"), problemWords(error), "bad");
      return false;
    }
  };
  return button ? whileBusy(button, attempt) : attempt();
}

function problemWords(error) {
  const fields = (error.problem?.errors ?? []).map(({ field, message }) => `${field}: ${message}`);
  return fields.length ? `${fields.join("; ")}.` : error.message;
}
