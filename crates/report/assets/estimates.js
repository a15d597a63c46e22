// Estimates of λ̂ and their verdicts: lines with error bands, marks for what is not to be trusted, charts of parts.

/**
 * The estimates of a component (null: the whole network) as a line over those checkpoints where one was made, or null if
 * there are fewer than two. `flaws`: by point of the line, what is wrong with it; a point without a value failed altogether.
 */
function estimateSeries(replica, component, look, opacity) {
  const named = (name) => (component === null ? name : `${name}.${component}`);
  const ys = replica.values[named("llc")];
  if (!ys || ys.filter(isNumber).length < 2) return null;
  const flawed = new Map((replica.flaws?.[named("llc")] ?? []).map((flaw) => [flaw.at, flaw]));
  const made = ys.map((_, i) => i).filter((i) => isNumber(ys[i]) || flawed.has(i));
  const errors = ["llc_se", "llc_mcse"].map((name) => replica.values[named(name)] ?? []);
  // The larger of the errors from the chains and from the draws: either alone may be small by chance.
  const error = made.map((i) => Math.max(...errors.map((column) => column[i]).filter(isNumber)));
  const series = { xs: made.map((i) => replica.steps[i]), ys: made.map((i) => ys[i]), ...look };
  const bound = (sign) => series.ys.map((v, k) => (isNumber(v) && isNumber(error[k]) ? v + sign * 1.96 * error[k] : null));
  if (error.some(isNumber)) series.area = { lo: bound(-1), hi: bound(1), opacity };
  const flaws = made.map((i, k) => [k, flawed.get(i)]).filter(([, flaw]) => flaw);
  if (flaws.length > 0) series.flaws = new Map(flaws);
  return series;
}

/** A flaw's mark: a ring for a suspect estimate, a cross for a failed one. */
function drawFlaw(parent, flaw, x, y, color) {
  const style = `stroke:${color}`;
  if (flaw.word !== "failed") {
    svg("circle", { class: "flaw", cx: round(x), cy: round(y), r: 3, style }, parent);
    return;
  }
  const [l, r, t, b] = [x - 3.5, x + 3.5, y - 3.5, y + 3.5].map(round);
  svg("path", { class: "flaw", d: `M${l} ${t}L${r} ${b}M${l} ${b}L${r} ${t}`, style }, parent);
}

/** Marks over all lines; an estimate that came to no figure has its mark at the foot of the chart. */
function drawFlaws(root, axis, vertical, shown, bottom) {
  for (const series of shown.filter((line) => line.flaws)) {
    const g = svg("g", { class: "series", "data-series": series.name }, root);
    for (const [i, flaw] of series.flaws) {
      const y = isNumber(series.ys[i]) ? vertical.y(series.ys[i]) : bottom - 6;
      drawFlaw(g, flaw, axis.x(series.xs[i]), y, series.color);
    }
  }
}

/** Keys of the marks that a chart has, with how many there are. */
function buildFlawKeys(panel, legend) {
  const flaws = panel.content.series.flatMap((series) => [...(series.flaws?.values() ?? [])]);
  let hint = ": point at one for why";
  for (const word of ["suspect", "failed"]) {
    const count = flaws.filter((flaw) => flaw.word === word).length;
    if (count === 0) continue;
    const item = html("li", {}, legend);
    const swatch = svg("svg", { width: 20, height: 10, "aria-hidden": "true" }, item);
    const color = panel.content.series.length > 2 ? "var(--ink-soft)" : panel.content.series[0].color;
    drawFlaw(swatch, { word }, 10, 5, color);
    html("span", {}, item, `${count} ${word}${hint}`);
    hint = "";
  }
}

/** What is wrong with the estimates at a step, or nothing for `null`, beside the cursor and not under it. */
function showFlaws(panel, step, x) {
  panel.flaws?.remove();
  panel.flaws = null;
  const lines = step === null ? [] : (panel.content.series ?? []).filter((series) => series.flaws).reverse();
  const found = lines.map((line) => ({ line, flaw: flawAt(line, step) })).filter(({ flaw }) => flaw);
  if (found.length === 0) return;
  // What lies below zero is told first, then what failed otherwise.
  const rank = ({ flaw }) => (flaw.value < 0 ? 0 : flaw.word === "failed" ? 1 : 2);
  found.sort((a, b) => rank(a) - rank(b));
  const most = panel.width < 480 ? 2 : 4;
  const right = x > panel.width / 2;
  const side = right ? `right:${Math.round(panel.width - x) + 10}px` : `left:${Math.round(x) + 10}px`;
  panel.flaws = html("div", { class: "flaws", style: side }, panel.plot);
  for (const { line, flaw } of found.slice(0, most)) {
    const entry = html("p", {}, panel.flaws);
    const of = panel.content.series.some((other) => other !== line && other.component) ? `${line.name} ` : "";
    html("b", {}, entry, `${of}${flaw.word}`);
    if (flaw.reason) entry.append(`: ${flaw.reason}`);
  }
  if (found.length > most) html("p", {}, panel.flaws, `and ${found.length - most} more`);
}

/** The flaw of the point that is read at a step, with its value: of the step itself, or of the point in the legend. */
function flawAt(series, step) {
  const read = series.xs.includes(step) ? step : valueAt(series, step)?.step;
  const i = series.xs.indexOf(read);
  return series.flaws.has(i) ? { ...series.flaws.get(i), value: series.ys[i] ?? Infinity } : null;
}

/** Charts of λ̂ of parts of the network, as the page's data divide them; those of heads share a vertical axis. */
function partCharts(replica) {
  const charts = (replica.parts ?? []).map((chart) => {
    const series = chart.parts.map(({ component, label, end }, i) => {
      const look = { name: label, component, color: `var(--line-${i + 1})`, dots: 1.9, ...(end ? { end } : {}) };
      return estimateSeries(replica, component, look, 0.1);
    });
    // The key lists lines from the last drawn, which lies on top, to the first.
    return { ...chart, series: series.filter(Boolean).reverse() };
  });
  const heights = charts.filter((chart) => chart.heads).flatMap((chart) => chart.series)
    .flatMap((series) => [...series.ys, ...(series.area?.hi ?? [])]).filter(isNumber);
  const top = heights.reduce((a, b) => Math.max(a, b), 0);
  return charts.map(({ of, heads, series }, i) => {
    const below = series.some((line) => line.ys.some((y) => y < 0));
    const note = "Only this part’s weights are sampled, the others held. Bands are ± 1.96 s.e.";
    const content = { series, height: series.length > 4 ? 250 : 210, zero: true, zeroLine: below, ...(heads ? { floor: top } : {}) };
    return {
      name: `llc_parts_${i}`,
      title: "λ̂ of parts of the network",
      unit: of,
      note,
      make: () => content,
    };
  });
}
