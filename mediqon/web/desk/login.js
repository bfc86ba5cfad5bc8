// Who sits here, and at whose desk: a doctor at their own, a hospital's staff at the one they choose.

import { get, loggedIn, login } from "/web/shared/api.js";
import { element, part, say, show, whileBusy } from "/web/shared/paper.js";
import { roomName } from "/web/shared/words.js";

const at = (name) => part(document, name);

/** Waits until somebody who may sit at a desk is logged in; answers with the user. */
export async function seatedUser(reason = "") {
  const remembered = reason || !loggedIn() ? null : await staffOrNull().catch(sayLogin);
  if (remembered) return remembered;
  show(at("gate"), true);
  show(at("login"), true);
  show(at("choice"), false);
  if (reason) say(at("login-status"), reason);
  at("login").elements.email.focus();
  return new Promise((seated) => {
    at("login").onsubmit = (event) => {
      event.preventDefault();
      whileBusy(at("login").querySelector("button"), async () => {
        const user = await logIn(new FormData(at("login"))).catch(sayLogin);
        if (user) seated(user);
      });
    };
  });
}

async function logIn(form) {
  say(at("login-status"), "");
  await login(form.get("email").trim(), form.get("password"));
  const user = await staffOrNull();
  if (user) at("login").reset();
  else say(at("login-status"), "This is a patient’s account. Patients book at the page Book a visit.", "bad");
  return user;
}

async function staffOrNull() {
  const user = await get("/auth/me");
  return user.role === "doctor" || user.role === "hospital" ? user : null;
}

function sayLogin(error) {
  say(at("login-status"), error.message, "bad");
  return null;
}

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
