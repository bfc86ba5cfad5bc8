// The patient's account: log in, or register and be logged in.

import { get, loggedIn, login, logout, post } from "/web/shared/api.js";
import { part, say, show, whileBusy } from "/web/shared/paper.js";

const at = (name) => part(document, name);

/** Waits until a patient is logged in; answers with the user. */
export async function loggedInPatient(reason = "") {
  const remembered = reason || !loggedIn() ? null : await patient().catch((error) => say(at("login-status"), error.message, "bad"));
  if (remembered) return remembered;
  show(at("gate"), true);
  turnTo("login");
  if (reason) say(at("login-status"), reason);
  return new Promise((entered) => {
    onSubmit("login", (form) => login(form.email, form.password).then(patient), entered);
    onSubmit("register", register, entered);
  });
}

at("to-register").onclick = () => turnTo("register");
at("to-login").onclick = () => turnTo("login");

function turnTo(name) {
  show(at("login"), name === "login");
  show(at("register"), name === "register");
  at(name).querySelector("input").focus();
}

function onSubmit(name, enter, entered) {
  at(name).onsubmit = (event) => {
    event.preventDefault();
    whileBusy(at(name).querySelector(".first"), async () => {
      say(at(`${name}-status`), "");
      try {
        const user = await enter(trimmed(new FormData(at(name))));
        at(name).reset();
        show(at("gate"), false);
        entered(user);
      } catch (error) {
        say(at(`${name}-status`), problemWords(error), "bad");
      }
    });
  };
}

async function register({ name, email, phone, password }) {
  await post("/auth/register", phone ? { name, email, phone, password } : { name, email, password }, { anonymous: true });
  await login(email, password);
  return patient();
}

async function patient() {
  const user = await get("/auth/me");
  if (user.role === "patient") return user;
  await logout();
  throw new Error("This is a staff account. Patients book with an account of their own.");
}

function trimmed(form) {
  return Object.fromEntries([...form].map(([name, value]) => [name, name === "password" ? value : value.trim()]));
}

function problemWords(error) {
  const fields = (error.problem?.errors ?? []).map(({ field, message }) => `${field}: ${message}`);
  return fields.length ? fields.join(" ") : error.message;
}
