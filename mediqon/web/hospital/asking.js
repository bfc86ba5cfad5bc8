// Forms of the hospital's pages: what was filled in, who is chosen, and "are you sure?".

import { element, part, write } from "/web/shared/paper.js";

const at = (name) => part(document, name);

/** A form's fields, trimmed; empty ones left out. */
export function filledIn(form) {
  const fields = [...new FormData(form)].map(([name, value]) => [name, name === "password" ? value : value.trim()]);
  return Object.fromEntries(fields.filter(([, value]) => value !== ""));
}

/** Calls `work(fields, form)` through `act` when the form is sent; an answer of true empties it. */
export function onSend(form, act, work) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    const done = await act(form.querySelector("button:not([type=button])"), () => work(filledIn(form), form));
    if (done && form.dataset.keep === undefined) form.reset();
  };
}

/** Offers these doctors in a select, keeping the choice. */
export function offerDoctors(select, doctors) {
  const chosen = select.value;
  select.replaceChildren(...doctors.map(({ id, name }) => element("option", { value: id }, name)));
  if (doctors.some(({ id }) => String(id) === chosen)) select.value = chosen;
}

/** Asks once more before something that cannot be taken back; answers true or false. */
export function sure(title, text, verb) {
  const dialog = at("sure");
  write(at("sure-title"), title);
  write(at("sure-text"), text);
  write(at("sure-go"), verb);
  dialog.showModal();
  return new Promise((answered) => {
    let yes = false;
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      yes = true;
      dialog.close();
    };
    dialog.onclose = () => answered(yes);
  });
}
