// Keeps the operators' desk true: shows what is new, and says so when the hub does not answer.
// Without this script everything works but that.

import { byId } from "./elements.js";

const POLL_MS = 3000;
const ANSWER_MS_MAX = 5000;
const MISSED_MAX = 2;

const renews = document.body.dataset.renews === "true";
let missed = 0;

// Somebody is at a form: what they type must not be taken away.
function isBusy() {
  const active = document.activeElement;
  if (active && active.closest("main form, main summary")) return true;
  if (document.querySelector("details.act[open]")) return true;
  const typed = [...document.querySelectorAll("main input:not([type=hidden]):not([type=radio])")];
  return typed.some((input) => input.value !== input.defaultValue);
}

// `quiet`: nobody clicked, so the session's time goes on.
function renew() {
  history.replaceState(null, "", "/desk?quiet=1");
  location.reload();
}

async function look() {
  try {
    const answer = await fetch("/desk/state", { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    if (answer.status === 401) {
      location.replace("/desk"); // the session is over
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    take((await answer.json()).stamp);
  } catch (error) {
    missed += 1;
  }
  const isStale = missed >= MISSED_MAX;
  byId("stale-bar").hidden = !isStale;
  document.documentElement.dataset.link = isStale ? "stale" : "live";
}

function take(stamp) {
  missed = 0;
  if (stamp === document.body.dataset.stamp) return;
  if (renews && !isBusy()) renew();
  else byId("changed-bar").hidden = false;
}

byId("changed-bar").querySelector("a").href = location.pathname;
setInterval(look, POLL_MS);
