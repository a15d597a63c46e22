// The axes of a comparison, colours of arms, and frames of small charts.

const STAGES = ["unigram", "bigram", "ngram", "previous_token", "induction", "below_bag"];
/** What the data say of a stage that is not one of these: {name, label, class}. */
const stageNamed = (name) => data.names?.find((given) => given.name === name);
const stageLabel = (name) => stageNamed(name)?.label ??
  ({ ngram: "n-gram", previous_token: "previous-token", below_bag: "induction*" })[name] ?? name.replaceAll("_", " ");
const stageClass = (name) => stageNamed(name)?.class ?? (STAGES.includes(name) ? name : "unnamed");
const stageTone = (name) => (name === "below_bag" ? "var(--llc)" : `var(--stage-${stageClass(name)})`);

const AXIS_LABELS = { step: "step", tokens: "tokens", exposures: "repeated triggers seen" };
const axisLabel = (data) => AXIS_LABELS[data.axis] ?? `${data.loss} (nats per token)`;
const isLoss = (data) => data.axis === "loss";

/** Arms along one knob get colours in its order, dark for much; others get colours that are told apart. */
function armColors(data) {
  const doses = data.arms.map((arm) => arm.dose);
  const distinct = [...new Set(doses)].filter(isNumber).sort((a, b) => a - b);
  const colors = new Map();
  data.arms.forEach((arm, i) => {
    if (data.dose && distinct.length === data.arms.length && distinct.length > 2) {
      const share = distinct.indexOf(arm.dose) / (distinct.length - 1);
      const [from, to, part] = share < 0.5 ? ["low", "mid", share * 2] : ["mid", "high", share * 2 - 1];
      colors.set(arm.name, `color-mix(in oklab, var(--dose-${to}) ${Math.round(part * 100)}%, var(--dose-${from}))`);
    } else {
      colors.set(arm.name, `var(--line-${(i % 8) + 1})`);
    }
  });
  return colors;
}

/** Dashes tell arms apart without colour; beyond eight they tell those of one colour apart. */
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 3", "6 2 1 2 1 2"];
const dashOf = (data, arm) => DASHES[data.arms.findIndex((a) => a.name === arm) % DASHES.length];

/** A log-like axis of counts (ln(1 + x)), or a linear one of losses that falls to the right. */
function timeAxis(data, values, { left, right, from = null }) {
  const finite = values.filter(isNumber);
  let lo = Math.min(...finite);
  let hi = Math.max(...finite);
  if (isLoss(data)) {
    if (hi - lo < 1e-9) [lo, hi] = [lo - 0.5, hi + 0.5];
    const x = (v) => left + ((hi - v) / (hi - lo)) * (right - left);
    const ticks = niceTicks(lo, hi, Math.max(2, Math.floor((right - left) / 70)));
    return { x, ticks: ticks.map((t) => ({ x: x(t.value), label: t.label })), minor: [], left, right, lo, hi };
  }
  lo = from ?? lo;
  const place = Math.log1p;
  const span = Math.max(place(hi) - place(lo), 1e-9);
  const x = (v) => left + ((place(Math.max(v, lo)) - place(lo)) / span) * (right - left);
  const candidates = [];
  const minor = [];
  if (lo === 0) candidates.push(0);
  const decades = [];
  for (let e = 0; 10 ** e <= hi; e += 1) decades.push(10 ** e);
  candidates.push(...decades.filter((v) => v >= lo));
  for (const multiple of [2, 5, 3, 1.5, 4, 7]) {
    for (const decade of decades) candidates.push(multiple * decade);
  }
  for (const decade of decades) {
    for (let m = 2; m < 10; m += 1) {
      if (m * decade >= lo && m * decade <= hi) minor.push(x(m * decade));
    }
  }
  const ticks = [];
  for (const value of candidates) {
    if (value < lo || value > hi || (value < 10 && value !== Math.round(value))) continue;
    const at = x(value);
    if (ticks.every((tick) => Math.abs(tick.x - at) >= 40)) ticks.push({ x: at, label: formatCount(value) });
  }
  return { x, ticks, minor, left, right, lo, hi };
}

/** Ticks, labels and the name of a horizontal axis. */
function drawTimeAxis(root, axis, bottom, name) {
  const g = svg("g", { class: "axis" }, root);
  svg("line", { x1: axis.left, x2: axis.right, y1: bottom, y2: bottom }, g);
  for (const x of axis.minor) svg("line", { x1: round(x), x2: round(x), y1: bottom, y2: bottom + 3 }, g);
  for (const tick of axis.ticks) {
    const x = round(tick.x);
    svg("line", { x1: x, x2: x, y1: bottom, y2: bottom + 5 }, g);
    svg("text", { x, y: bottom + 17, "text-anchor": "middle" }, root, tick.label);
  }
  const middle = round((axis.left + axis.right) / 2);
  svg("text", { class: "label", x: middle, y: bottom + 33, "text-anchor": "middle" }, root, name);
}

/** Grid and labels of a vertical axis, with its name along it. */
function drawVertical(root, vertical, { left, right, top, bottom, name }) {
  const grid = svg("g", { class: "grid" }, root);
  for (const tick of vertical.ticks) {
    const y = round(vertical.y(tick.value));
    svg("line", { x1: left, x2: right, y1: y, y2: y }, grid);
    svg("text", { x: left - 6, y, dy: "0.34em", "text-anchor": "end" }, root, tick.label);
  }
  if (name) {
    const [x, y] = [11, round((top + bottom) / 2)];
    svg("text", { class: "label", x, y, "text-anchor": "middle", transform: `rotate(-90 ${x} ${y})` }, root, name);
  }
}

/** A log axis with enough labels to read it by: at least three within the span, if it has any. */
function logVertical(lo, hi, top, bottom) {
  const span = Math.log(hi / lo);
  const y = (v) => bottom - (Math.log(Math.max(v, 1e-12) / lo) / span) * (bottom - top);
  const ticks = [];
  for (const steps of [[1], [3], [2, 5], [1.5, 7], [4, 1.2, 2.5, 6, 8, 9]]) {
    if (steps[0] !== 1 && steps[0] !== 3 && ticks.length >= 4) break;
    for (let e = Math.floor(Math.log10(lo)); 10 ** e <= hi; e += 1) {
      for (const m of steps) {
        const value = m * 10 ** e;
        if (value < lo || value > hi) continue;
        if (ticks.every((t) => Math.abs(y(t.value) - y(value)) >= 18)) {
          ticks.push({ value, label: value >= 1 ? formatCount(value) : String(Number(value.toPrecision(2))) });
        }
      }
    }
  }
  return { y, lo, hi, ticks };
}

/** A new chart: heading, empty SVG, and a function that draws it at a width. */
function chartIn(parent, title, unit, draw) {
  const figure = html("figure", { class: "panel" }, parent);
  const heading = html("h3", {}, figure, title);
  if (unit) html("span", { class: "unit" }, heading, unit);
  const plot = html("div", { class: "plot" }, figure);
  const root = svg("svg", { role: "img", "aria-label": title }, plot);
  return { figure, plot, root, draw };
}

/** Sets the size of a drawing and empties it. */
function sized(root, width, height) {
  root.setAttribute("viewBox", `0 0 ${width} ${height}`);
  root.setAttribute("height", height);
  root.replaceChildren();
}
