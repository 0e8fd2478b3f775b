// The dashboard as it changes: figures from a stream, or by asking again and again; parts of the page likewise.

import { grow } from "./charts.js";

const { stream, poll, every } = document.getElementById("live").dataset;
const chart = document.getElementById("throughput");
const pulse = document.querySelector(".pulse");
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
let source, timer, failures = 0, last = 0;

function state(name) {
  if (pulse.dataset.state === name) return;
  pulse.dataset.state = name;
  pulse.textContent = pulse.dataset[name];
}

function show(beat) {
  if (beat.at === last) return;
  last = beat.at;
  for (const element of document.querySelectorAll("[data-live]")) {
    const value = beat[element.dataset.live];
    const text = value == null ? "-" : number.format(value);
    element.classList.toggle("fresh", element.textContent !== text);
    element.textContent = text;
  }
  grow(chart, beat.at, [beat.processed_s, beat.failed_s]);
}

async function ask() {
  try {
    const answer = await fetch(poll);
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
    state("polling");
  } catch {
    state("away");
  }
}

function asking() {
  source?.close();
  source = undefined;
  clearInterval(timer);
  timer = setInterval(ask, 2 * every * 1000);
  ask();
}

function start() {
  if (!stream || !window.EventSource || failures > 2) return asking();
  source = new EventSource(stream);
  source.addEventListener("message", (event) => {
    failures = 0;
    show(JSON.parse(event.data));
    state("streaming");
  });
  source.addEventListener("away", () => state("away"));
  source.addEventListener("error", () => {
    failures += 1;
    if (source.readyState === EventSource.CLOSED || failures > 2) asking();
  });
}

function stop() {
  source?.close();
  source = undefined;
  clearInterval(timer);
}

async function part(element) {
  if (document.hidden) return;
  const answer = await fetch(element.dataset.part).catch(() => null);
  if (answer?.ok && !element.contains(document.activeElement)) element.innerHTML = await answer.text();
}

for (const element of document.querySelectorAll("[data-part]")) {
  setInterval(() => part(element), element.dataset.every * 1000);
}
// A browser has six connections to a site: pages that nobody sees leave theirs to others.
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
addEventListener("pagehide", stop);
if (!document.hidden) start();
