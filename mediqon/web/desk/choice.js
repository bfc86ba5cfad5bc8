// At whose desk: a doctor at their own, a hospital's staff at the one they choose.

import { get } from "/web/shared/api.js";
import { element, part, say, show } from "/web/shared/paper.js";
import { roomName } from "/web/shared/words.js";

const at = (name) => part(document, name);

/** Lets a hospital's staff choose one of its doctors; answers with the doctor. */
export async function chosenDoctor(hospitalId) {
  show(at("gate"), true);
  show(at("login"), false);
  show(at("choice"), true);
  at("choice").querySelector("h1").focus();
  const doctors = await get(`/hospitals/${hospitalId}/doctors`).catch((error) => say(at("choice-status"), error.message, "bad"));
  if (doctors?.length === 0) say(at("choice-status"), "This hospital has no doctors yet.");
  return new Promise((chosen) => {
    at("doctors").replaceChildren(...(doctors ?? []).map((doctor) => doctorButton(doctor, chosen)));
  });
}

function doctorButton(doctor, chosen) {
  const where = element("span", { class: "soft" }, [doctor.specialty, roomName(doctor.room)].filter(Boolean).join(", "));
  const button = element("button", { type: "button" }, element("span", {}, doctor.name), where);
  button.onclick = () => chosen(doctor);
  return element("li", {}, button);
}
