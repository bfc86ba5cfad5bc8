// The patient's account: log in, or register and be logged in.

import { get, loggedIn, login, logout, post } from "/web/shared/api.js";
import { part, show, whileBusy } from "/web/shared/paper.js";
import { hush, problemWords, tell, texts } from "/web/book/language.js";

const at = (name) => part(document, name);

/** Waits until a patient is logged in; answers with the user. `reason` is what to tell them first. */
export async function loggedInPatient(reason = null) {
  const remembered = reason || !loggedIn() ? null : await patient().catch((error) => tellProblem("login", error));
  if (remembered) return remembered;
  show(at("gate"), true);
  turnTo("login");
  if (reason) tell(at("login-status"), reason);
  return new Promise((entered) => {
    onSubmit("login", (form) => login(form.email, form.password).then(patient), entered);
    onSubmit("register", register, entered);
  });
}

// The browser would complain in its own language.
at("gate").addEventListener("invalid", ({ target }) => target.setCustomValidity(texts.check(texts.words[target.name])), true);
at("gate").addEventListener("input", ({ target }) => target.setCustomValidity(""));
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
      hush(at(`${name}-status`));
      try {
        const user = await enter(trimmed(new FormData(at(name))));
        at(name).reset();
        show(at("gate"), false);
        entered(user);
      } catch (error) {
        tellProblem(name, error);
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
  throw Object.assign(new Error(user.role), { code: "staff_account" });
}

function trimmed(form) {
  return Object.fromEntries([...form].map(([name, value]) => [name, name === "password" ? value : value.trim()]));
}

function tellProblem(name, error) {
  tell(at(`${name}-status`), () => problemWords(error), "bad");
}
