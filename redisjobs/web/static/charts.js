// Charts of what stands in [data-chart], drawn by uPlot in the page's colours.

const drawn = new Map();
const narrow = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function took(seconds) {
  if (seconds < 1) return `${whole.format(seconds * 1000)} ms`;
  return seconds < 120 ? `${whole.format(seconds)} s` : `${whole.format(seconds / 60)} min`;
}

const probe = document.body.appendChild(document.createElement("span"));
probe.hidden = true;

function colour(name) {
  probe.style.color = `var(--${name})`; // what it is in the theme of now
  return getComputedStyle(probe).color;
}

function dates(zone) {
  const made = (form) => new Intl.DateTimeFormat("en-GB", { ...form, timeZone: zone || undefined });
  const time = made({ hour: "2-digit", minute: "2-digit" });
  const second = made({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const day = made({ day: "numeric", month: "short" });
  const month = made({ month: "short", year: "numeric" });
  return { time, second, day, month, full: made({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }) };
}

// What stands below the chart, and in its legend, for a moment.
function moments(told) {
  const form = dates(told.zone);
  const day = 86400;
  const axis = (_, splits, __, ___, step) => splits.map((at) => {
    const date = new Date(at * 1000);
    if (step >= 28 * day) return form.month.format(date);
    if (step >= day) return form.day.format(date);
    return (step < 60 ? form.second : form.time).format(date);
  });
  const exact = told.live ? form.second : form.full;
  const legend = (at) => (told.by === "month" ? form.month : told.by ? form.day : exact).format(new Date(at * 1000));
  return { axis, legend };
}

function marks(told) {
  return (plot) => {
    const { ctx, bbox } = plot;
    const size = devicePixelRatio;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("warn");
    ctx.font = `${11 * size}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.setLineDash([4 * size, 3 * size]);
    ctx.lineWidth = size;
    for (const [at, label] of told.marks || []) {
      const x = Math.round(plot.valToPos(at, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const short = label.length > 28 ? `${label.slice(0, 27)}…` : label;
      ctx.textAlign = x + ctx.measureText(short).width > bbox.left + bbox.width ? "right" : "left";
      ctx.fillText(short, x, bbox.top - 5 * size);
    }
    ctx.restore();
  };
}

function axes(told, moment) {
  const line = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const names = (_, splits) => splits.map((at) => (Number.isInteger(at) ? told.ticks[at] ?? "" : ""));
  const values = told.unit === "s" ? took : (value) => narrow.format(value);
  return [
    { ...line, grid: { show: false }, size: 26, gap: 4, space: told.ticks ? 70 : 80, values: told.ticks ? names : moment.axis, incrs: told.ticks ? [1, 2, 5, 10] : undefined },
    { ...line, size: 54, space: 34, values: (_, splits) => splits.map(values) },
  ];
}

function series(told, moment) {
  const value = told.unit === "s" ? took : (number) => whole.format(number);
  const bars = told.kind === "bars";
  return [
    { value: (_, at) => (at == null ? "" : told.ticks ? told.ticks[at] : moment.legend(at)), label: "" },
    ...told.names.map((label, at) => ({
      label,
      value: (_, found) => (found == null ? "" : value(found)),
      stroke: colour(told.colours[at]),
      fill: bars ? colour(told.colours[at]) : `color-mix(in srgb, ${colour(told.colours[at])} 14%, transparent)`,
      width: bars ? 0 : 1.5,
      points: { show: false },
      paths: bars ? uPlot.paths.bars({ size: [0.72, told.ticks ? 120 : 46], radius: 0.1 }) : undefined,
      spanGaps: false,
    })),
  ];
}

function draw(element, told) {
  drawn.get(element)?.plot.destroy();
  const moment = moments(told);
  const style = getComputedStyle(element);
  const width = element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const least = told.unit === "s" ? 0.01 : 1;
  const most = (_, __, max) => [0, Math.max(least, max ?? 0) * 1.08];
  const around = (_, min, max) => (told.kind === "bars" ? beside(told, min, max) : told.live ? [max - told.live, max] : [min, max]);
  const plot = new uPlot(
    {
      width,
      height: element.clientHeight - 34,
      padding: [told.marks?.length ? 20 : 8, 12, 0, 0],
      series: series(told, moment),
      axes: axes(told, moment),
      scales: { x: { time: !told.ticks, range: around }, y: { range: most } },
      tzDate: (at) => (told.zone ? uPlot.tzDate(new Date(at * 1000), "Etc/UTC") : new Date(at * 1000)),
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      hooks: { draw: [marks(told)] },
    },
    [told.x, ...told.ys],
    element,
  );
  drawn.set(element, { plot, told });
}

// Room for half a bar at both ends.
function beside(told, min, max) {
  const half = told.x.length > 1 ? (told.x.at(-1) - told.x[0]) / (told.x.length - 1) / 2 : 43200;
  return [min - half, max + half];
}

// Give a chart another point; what is older than the time that it shows goes.
export function grow(element, x, values) {
  const { plot, told } = drawn.get(element);
  told.x.push(x);
  told.ys.forEach((ys, at) => ys.push(values[at]));
  while (told.x[0] < x - told.live) {
    told.x.shift();
    told.ys.forEach((ys) => ys.shift());
  }
  plot.setData([told.x, ...told.ys]);
}

const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const { plot } = drawn.get(target);
    if (Math.abs(plot.width - contentRect.width) > 1) plot.setSize({ width: contentRect.width, height: plot.height });
  }
});

for (const element of document.querySelectorAll("[data-chart]")) {
  draw(element, JSON.parse(element.dataset.chart));
  sizes.observe(element);
}
const redraw = () => drawn.forEach(({ told }, element) => draw(element, told));
document.addEventListener("theme", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
