// Draws the charts of an app's metrics, and asks for new values while the page is seen. Without this script, the table has the same in numbers.
"use strict";

const HEIGHT = 180;
const EVERY_MS = 20000;
// Told apart by their lightness as well. One list for each colour scheme.
const LIGHT = ["#3452d1", "#c2410c", "#17713f", "#9333a8", "#0e7490", "#8a5700", "#be185d", "#4b5563"];
const DARK = ["#93a9ff", "#fdba74", "#5ccb8f", "#d8a6f0", "#67d3e8", "#e3b35c", "#f9a8c9", "#c3cad6"];
const scheme = matchMedia("(prefers-color-scheme: dark)");

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// What happened, as vertical lines: a colour and a pattern of dashes for each kind.
function drawMarks(marks) {
  const styles = { deploy: ["--accent", []], scale: ["--quiet", [4, 4]], incident: ["--bad", [2, 2]] };
  return (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    for (const [at, kind] of marks) {
      const x = Math.round(plot.valToPos(at, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      const [name, dashes] = styles[kind];
      ctx.strokeStyle = colour(name);
      ctx.setLineDash(dashes.map((length) => length * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  };
}

function draw(place, axis) {
  const lines = JSON.parse(place.dataset.lines);
  const limit = Number(place.dataset.limit);
  const colours = scheme.matches ? DARK : LIGHT;
  const values = lines.map(([, points]) => points);
  const series = lines.map(([label], number) => ({
    label,
    stroke: colours[number % colours.length],
    width: 1.5,
    points: { show: values[number].filter((value) => value !== null).length < 3 },
    value: (_, value) => (value === null ? "–" : `${value} ${place.dataset.unit}`),
  }));
  if (limit) {
    series.push({ label: "limit", stroke: colour("--bad"), width: 1, dash: [6, 4], points: { show: false }, value: () => `${limit} ${place.dataset.unit}` });
    values.push(axis.times.map(() => limit));
  }
  const lineOf = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const isWithinADay = axis.times.at(-1) - axis.times[0] < 86400;
  const written = isWithinADay ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : { day: "numeric", month: "short" };
  const shown = (at) => new Date(at * 1000).toLocaleString([], written);
  const whole = (at) => new Date(at * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
  place.replaceChildren();
  return new uPlot(
    {
      width: Math.max(place.clientWidth, 200),
      height: HEIGHT,
      series: [{ label: "time", value: (_, at) => (at === null ? "–" : whole(at)) }, ...series],
      scales: { y: { range: (_, least, most) => [0, Math.max(most * 1.1, 0.01)] } },
      axes: [{ ...lineOf, values: (_, moments) => moments.map(shown) }, { ...lineOf, size: 56 }],
      cursor: { sync: { key: "metrics" }, points: { size: 6 }, drag: { x: false, y: false } },
      hooks: { draw: [drawMarks(axis.marks)] },
    },
    [axis.times, ...values],
    place,
  );
}

let plots = [];

function drawAll() {
  const metrics = document.getElementById("metrics");
  const axis = JSON.parse(metrics.dataset.axis);
  for (const plot of plots) plot.destroy();
  plots = [...metrics.querySelectorAll(".plot")].map((place) => draw(place, axis));
}

async function refresh() {
  if (document.hidden) return;
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("metrics");
  const shown = document.getElementById("metrics");
  // What the reader points at stays until the next time.
  if (!fresh || shown.matches(":hover") || shown.contains(document.activeElement)) return;
  shown.replaceWith(document.adoptNode(fresh));
  drawAll();
}

drawAll();
scheme.addEventListener("change", drawAll);
addEventListener("resize", () => {
  for (const plot of plots) plot.setSize({ width: Math.max(plot.root.parentElement.clientWidth, 200), height: HEIGHT });
});
setInterval(refresh, EVERY_MS);
