// What all pages have: local times, the choice of theme, boxes that check all others.

const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

export function ago(at, now = Date.now()) {
  const seconds = (at - now) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size * (unit === "day" ? 2 : 1)) return relative.format(Math.trunc(seconds / size), unit);
  }
  return relative.format(Math.trunc(seconds), "second");
}

export function times(within = document) {
  for (const element of within.querySelectorAll("time[datetime]")) {
    const at = Date.parse(element.dateTime);
    if (Number.isNaN(at)) continue;
    element.title = exact.format(at);
    if (Math.abs(at - Date.now()) < 60 * 86400e3) element.textContent = ago(at);
  }
}

function theme() {
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("redisjobs-theme", document.documentElement.dataset.theme);
    document.dispatchEvent(new CustomEvent("theme"));
  });
}

function checks() {
  for (const all of document.querySelectorAll("input[data-checks]")) {
    all.hidden = false;
    const others = () => document.querySelectorAll(`input[type="checkbox"][name="${all.dataset.checks}"]`);
    all.addEventListener("change", () => others().forEach((box) => { box.checked = all.checked; }));
  }
}

times();
setInterval(() => times(), 5000);
theme();
checks();
