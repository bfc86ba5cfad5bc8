// The door of the staff's pages: who is it, and may they come in? The page has the parts gate, login and login-status.

import { get, loggedIn, login } from "/web/shared/api.js";
import { part, say, show, whileBusy } from "/web/shared/paper.js";

const at = (name) => part(document, name);

/**
 * Waits until somebody whose role is among `roles` is logged in; answers with the user. `reason` says why the door is
 * shut again, `refusal` what others are told.
 */
export async function whoComesIn(roles, refusal, reason = "") {
  const remembered = reason || !loggedIn() ? null : await welcome(roles, refusal).catch(sayLogin);
  if (remembered) return remembered;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  show(at("gate"), true);
  show(at("login"), true);
  if (reason) say(at("login-status"), reason);
  at("login").elements.email.focus();
  return new Promise((entered) => {
    at("login").onsubmit = (event) => {
      event.preventDefault();
      whileBusy(at("login").querySelector("button"), async () => {
        const user = await logIn(new FormData(at("login")), roles, refusal).catch(sayLogin);
        if (user) entered(user);
      });
    };
  });
}

async function logIn(form, roles, refusal) {
  say(at("login-status"), "");
  await login(form.get("email").trim(), form.get("password"));
  const user = await welcome(roles, refusal);
  if (user) at("login").reset();
  return user;
}

async function welcome(roles, refusal) {
  const user = await get("/auth/me");
  if (roles.includes(user.role)) return user;
  say(at("login-status"), refusal, "bad");
  return null;
}

function sayLogin(error) {
  say(at("login-status"), error.message, "bad");
  return null;
}
