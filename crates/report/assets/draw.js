// Drawing one line chart as SVG: frame, areas, lines, marks, labels at the ends.

const SVG = "http://www.w3.org/2000/svg";

/** A new SVG element, appended to `parent` if there is one. */
function svg(name, attributes = {}, parent = null, text = null) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== null) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

/** A new HTML element; text is always set as text, never as markup. */
function html(name, attributes = {}, parent = null, text = null) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== null) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

const round = (value) => Math.round(value * 10) / 10;

/** Path through the points; a missing value interrupts it. */
function linePath(xs, ys) {
  let path = "";
  let pen = "M";
  xs.forEach((x, i) => {
    if (!isNumber(ys[i])) {
      pen = "M";
      return;
    }
    path += `${pen}${round(x)} ${round(ys[i])}`;
    pen = "L";
  });
  return path;
}

/** Closed path between two curves over the points where both are there. */
function areaPath(xs, lo, hi) {
  const there = xs.map((_, i) => i).filter((i) => isNumber(lo[i]) && isNumber(hi[i]));
  if (there.length < 2) return "";
  const forth = there.map((i) => `${round(xs[i])} ${round(hi[i])}`);
  const back = there.reverse().map((i) => `${round(xs[i])} ${round(lo[i])}`);
  return `M${forth.join("L")}L${back.join("L")}Z`;
}

/** Grid, ticks and labels of both axes. */
function drawFrame(root, axis, vertical, { top, bottom, zeroLine }) {
  const grid = svg("g", { class: "grid" }, root);
  for (const tick of vertical.ticks) {
    const y = round(vertical.y(tick.value));
    svg("line", { x1: axis.left, x2: axis.right, y1: y, y2: y }, grid);
    svg("text", { x: axis.left - 7, y, dy: "0.34em", "text-anchor": "end" }, root, tick.label);
  }
  if (zeroLine) {
    const y = round(vertical.y(0));
    svg("line", { class: "zero", x1: axis.left, x2: axis.right, y1: y, y2: y }, root);
  }
  drawHorizontal(root, axis, { top, bottom });
}

/** Ticks and labels of the shared axis, below a chart. */
function drawHorizontal(root, axis, { bottom }) {
  const g = svg("g", { class: "axis" }, root);
  svg("line", { x1: axis.left, x2: axis.right, y1: bottom, y2: bottom }, g);
  for (const x of axis.minor) svg("line", { x1: round(x), x2: round(x), y1: bottom, y2: bottom + 3 }, g);
  const name = { class: "axis-name", x: axis.left - 9, y: bottom + 16, "text-anchor": "end" };
  svg("text", name, root, axis.unit === "steps" ? "step" : "tokens");
  for (const tick of axis.ticks) {
    const x = round(tick.x);
    svg("line", { x1: x, x2: x, y1: bottom, y2: bottom + 5 }, g);
    svg("text", { x, y: bottom + 16, "text-anchor": "middle" }, root, tick.label);
  }
}

/** Moves labels apart so that none overlaps, keeping their order and staying within the chart. */
function spread(labels, gap, top, bottom) {
  labels.sort((a, b) => a.y - b.y);
  let floor = top;
  for (const label of labels) {
    label.y = Math.max(label.y, floor);
    floor = label.y + gap;
  }
  let ceiling = bottom;
  for (const label of labels.toReversed()) {
    label.y = Math.min(label.y, ceiling);
    ceiling = label.y - gap;
  }
  return labels;
}

/** The value of a series at a checkpoint: the nearest point on the log axis, with its place. */
function valueAt(series, step) {
  let best = -1;
  let distance = Infinity;
  series.xs.forEach((x, i) => {
    const d = Math.abs(Math.log1p(x) - Math.log1p(step));
    if (isNumber(series.ys[i]) && d < distance) [best, distance] = [i, d];
  });
  // Further than a twentieth of a decade away is not "at" this checkpoint.
  if (best < 0 || distance > 0.115) return null;
  return { step: series.xs[best], value: series.ys[best] };
}

/** The least value of a series, if it lies clearly before the end. */
function leastOf(series) {
  const there = series.xs.map((_, i) => i).filter((i) => isNumber(series.ys[i]));
  if (there.length < 4) return null;
  const best = there.reduce((a, b) => (series.ys[b] < series.ys[a] ? b : a));
  const first = series.ys[there[0]];
  const end = series.ys[there.at(-1)];
  const clear = Math.min(first, end) - series.ys[best] > 0.04 * Math.abs(first - series.ys[best]);
  return clear ? { step: series.xs[best], value: series.ys[best] } : null;
}

/** Draws the series of a line chart; returns what the cursor needs. */
function drawSeries(root, axis, vertical, chart, { top, bottom }) {
  const shown = chart.series.filter((series) => !series.hidden);
  for (const series of shown) {
    const xs = series.xs.map(axis.x);
    if (series.area) {
      const lo = series.area.lo.map((v) => (isNumber(v) ? vertical.y(v) : null));
      const hi = series.area.hi.map((v) => (isNumber(v) ? vertical.y(v) : null));
      const fill = { class: "area", d: areaPath(xs, lo, hi), style: `fill:${series.color}` };
      svg("path", { ...fill, opacity: series.area.opacity ?? 0.16 }, root);
    }
  }
  for (const series of shown) {
    const xs = series.xs.map(axis.x);
    const ys = series.ys.map((v) => (isNumber(v) ? vertical.y(v) : null));
    const g = svg("g", { class: `series ${series.kind ?? ""}`, "data-series": series.name }, root);
    if (series.line !== false) {
      const style = `stroke:${series.color};stroke-width:${series.width ?? 1.8}`;
      const dash = series.dash ? { "stroke-dasharray": series.dash } : {};
      svg("path", { class: "line", d: linePath(xs, ys), style, ...dash }, g);
    }
    if (series.dots) {
      xs.forEach((x, i) => {
        if (!isNumber(ys[i]) || series.flaws?.has(i)) return;
        const place = { cx: round(x), cy: round(ys[i]), r: series.dots };
        svg("circle", { class: "dot", ...place, style: `fill:${series.color}` }, g);
      });
    }
    const least = series.markLeast ? leastOf(series) : null;
    if (least) {
      const [cx, cy] = [round(axis.x(least.step)), round(vertical.y(least.value))];
      svg("circle", { class: "least", cx, cy, r: 3.5, style: `stroke:${series.color}` }, g);
    }
  }
  drawFlaws(root, axis, vertical, shown, bottom);
  const ends = shown.filter((series) => series.end).map((series) => {
    const i = series.ys.findLastIndex(isNumber);
    return { series, y: i < 0 ? bottom : vertical.y(series.ys[i]) };
  });
  for (const { series, y } of spread(ends, 12, top + 4, bottom - 2)) {
    const place = { class: "end", x: axis.right + 5, y: round(y), dy: "0.34em" };
    svg("text", { ...place, style: `fill:${series.color}` }, root, series.end);
  }
}
