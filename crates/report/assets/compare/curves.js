// Measures of all arms over each other, measures at equal loss, and essential dynamics.

const MEASURES = {
  loss: ["Loss", "nats per token"],
  llc: ["λ̂", ""],
  icl_score: ["In-context learning score", "nats"],
  "trigger_loss.repeated": ["Loss after repeated triggers", "nats"],
  "trigger_loss.first": ["Loss at first triggers", "nats"],
  "max.previous_token": ["Best previous-token head", "attention"],
  "max.induction": ["Best induction head", "attention"],
  step: ["Step at which it is reached", "step"],
};

const spokenOracle = (name) => (name === "in_context" ? "in-context" : name.replaceAll("_", " "));

function measureLabel(name) {
  if (MEASURES[name]) return MEASURES[name];
  if (name.startsWith("loss.")) return [`Loss on ${name.slice(5)}`, "nats per token"];
  if (name.startsWith("divergence.")) return [`Divergence from ${spokenOracle(name.slice(11))}`, "nats"];
  return [name.replaceAll("_", " "), ""];
}

/** Lines with bands over one axis; `lines`: {arm, x, y: [{at, lo, hi}]}. */
function drawLines(data, colors, lines, root, width, { name, unit, log = false }) {
  const [left, right, top, height] = [56, width - 12, 8, 226];
  const bottom = height - 42;
  sized(root, width, height);
  const xs = lines.flatMap((l) => l.x);
  const counts = !isLoss(data);
  const axis = timeAxis(data, xs, { left, right, from: counts ? 0 : null });
  const values = lines.flatMap((l) => l.y.flatMap((e) => [e.at, e.lo, e.hi])).filter((v) => isNumber(v) && (!log || v > 0));
  const vertical = log
    ? logVertical(Math.min(...values) / 1.1, Math.max(...values) * 1.1, top, bottom)
    : verticalAxis(values, { top: top + 2, bottom });
  drawVertical(root, vertical, { left, right, top, bottom, name: unit || name });
  const column = (line, key) => line.y.map((e) => (isNumber(e[key]) && (!log || e[key] > 0) ? vertical.y(e[key]) : null));
  for (const line of lines) {
    const d = areaPath(line.x.map(axis.x), column(line, "lo"), column(line, "hi"));
    svg("path", { class: "band", d, style: `fill:${colors.get(line.arm)}` }, root);
  }
  for (const line of lines) {
    const dash = dashOf(data, line.arm);
    const style = `stroke:${colors.get(line.arm)};stroke-width:1.8`;
    const g = svg("g", { class: "series", "data-arm": line.arm }, root);
    svg("path", { class: "line", d: linePath(line.x.map(axis.x), column(line, "at")), style, ...(dash ? { "stroke-dasharray": dash } : {}) }, g);
  }
  drawTimeAxis(root, axis, bottom, axisLabel(data));
}

/** One plane of two components: a path for each replica, oracles as landmarks. */
function drawDynamics(data, colors, dynamics, [first, second], root, width) {
  const height = Math.min(width, 380);
  const [left, right, top, bottom] = [56, width - 16, 10, height - 42];
  sized(root, width, height);
  const points = [...dynamics.paths.flatMap((p) => p.places), ...dynamics.oracles.map((o) => o.place)];
  const range = (k) => {
    const values = points.map((p) => p[k]).filter(isNumber);
    const [lo, hi] = [Math.min(...values), Math.max(...values)];
    const pad = 0.08 * Math.max(hi - lo, 1e-9);
    return [lo - pad, hi + pad];
  };
  const [x0, x1] = range(first);
  const [y0, y1] = range(second);
  const x = (v) => left + ((v - x0) / (x1 - x0)) * (right - left);
  const y = (v) => bottom - ((v - y0) / (y1 - y0)) * (bottom - top);
  const percent = (k) => `component ${k + 1} (${Math.round(100 * (dynamics.explained[k] ?? 0))} % of variance)`;
  drawVertical(root, { y, ticks: niceTicks(y0, y1, 5) }, { left, right, top, bottom, name: percent(second) });
  const ticks = niceTicks(x0, x1, Math.max(3, Math.floor(width / 110))).map((t) => ({ x: x(t.value), label: t.label }));
  drawTimeAxis(root, { ticks, minor: [], left, right }, bottom, percent(first));
  for (const path of dynamics.paths) {
    const color = colors.get(path.arm) ?? "var(--ink-soft)";
    const g = svg("g", { class: "series", "data-arm": path.arm }, root);
    const d = linePath(path.places.map((p) => x(p[first])), path.places.map((p) => y(p[second])));
    const line = svg("path", { class: "line", d, style: `stroke:${color};stroke-width:1.3`, opacity: 0.8 }, g);
    svg("title", {}, line, path.replica);
    const end = path.places.at(-1);
    if (end) svg("circle", { cx: round(x(end[first])), cy: round(y(end[second])), r: 3, style: `fill:${color}` }, g);
  }
  for (const oracle of dynamics.oracles) {
    const [cx, cy] = [round(x(oracle.place[first])), round(y(oracle.place[second]))];
    svg("rect", { class: "landmark", x: cx - 4, y: cy - 4, width: 8, height: 8 }, root);
    const flip = cx > right - 90;
    svg("text", { class: "strong", x: cx + (flip ? -8 : 8), y: cy - 7, "text-anchor": flip ? "end" : "start" }, root, spokenOracle(oracle.name));
  }
}
