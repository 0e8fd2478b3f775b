// A task's page: ask for it again every second, until it has ended.
import { times } from "./page.js";

async function again() {
  const answer = await fetch(location.href, { credentials: "same-origin" });
  const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("task");
  if (!fresh) return;
  const shown = document.getElementById("task");
  if (!shown.contains(document.activeElement)) shown.replaceWith(fresh);
  else for (const part of ["progress", "dl"]) shown.querySelector(part).replaceWith(fresh.querySelector(part));
  times(document.getElementById("task"));
  if ("runs" in fresh.dataset) setTimeout(again, 1000);
  else if (fresh !== document.getElementById("task")) document.getElementById("task").replaceWith(fresh);
}

setTimeout(again, 1000);
