// Another time for a visit that is booked: the same doctor, the same link to follow.

import { postOnce } from "/web/shared/api.js";
import { dateOf, now } from "/web/shared/clock.js";
import { part, whileBusy, write } from "/web/shared/paper.js";
import { offerFreeTimes } from "/web/shared/times.js";
import { dayWords, hush, inWords, problemWords, tell, texts } from "/web/book/language.js";

const at = (name) => part(document, name);

/** Asks for a day and a time and moves the visit; answers with it as it then is, or null when it was left alone. */
export function moveVisit(visit, timezone) {
  const dialog = at("other-time");
  const { date, time } = dialog.querySelector("form").elements;
  inWords(at("other-time-title"), () => write(at("other-time-title"), texts.another(visit.token)));
  date.min = dateOf(now(), timezone);
  date.value = visit.date;
  date.onchange = () => offer(visit.doctor_id, date, time);
  offer(visit.doctor_id, date, time);
  dialog.showModal();
  return new Promise((answered) => {
    let moved = null;
    let moving = null;
    at("other-time-leave").onclick = () => dialog.close();
    dialog.onclose = async () => {
      await moving; // left meanwhile, the visit may be moved all the same
      answered(moved);
    };
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      if (!time.value) return tell(at("other-time-status"), () => texts.check(texts.words.time), "bad");
      moving = whileBusy(at("other-time-go"), async () => {
        try {
          moved = await postOnce(`/appointments/${visit.id}/reschedule`, { date: date.value, time: time.value });
          dialog.close();
        } catch (error) {
          await offer(visit.doctor_id, date, time);
          tell(at("other-time-status"), () => problemWords(error), "bad");
        }
      });
    };
  });
}

// The browser writes the date in its own language: it is told in the page's as well.
async function offer(doctorId, date, time) {
  inWords(at("other-time-day"), () => write(at("other-time-day"), date.value && dayWords(date.value)));
  hush(at("other-time-status"));
  try {
    await offerFreeTimes(time, doctorId, date.value, { nothing: texts.noTime });
  } catch (error) {
    tell(at("other-time-status"), () => problemWords(error), "bad");
  }
}
