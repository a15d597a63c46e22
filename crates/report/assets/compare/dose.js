// Dose–response: a dot for each seed, medians with intervals, the fitted line with its band.

function drawDose(data, colors, fit, root, width) {
  const [left, right, top, height] = [58, width - 14, 10, 250];
  const bottom = height - 42;
  sized(root, width, height);
  const log = data.dose.log;
  const doses = [...new Set(fit.seeds.map((s) => s[0]))].sort((a, b) => a - b);
  const place = log ? Math.log : (v) => v;
  const span = Math.max(place(doses.at(-1)) - place(doses[0]), 1e-9);
  const pad = Math.min(46, (right - left) / (2 * doses.length));
  const x = (dose) => left + pad + ((place(dose) - place(doses[0])) / span) * (right - left - 2 * pad);
  const ticks = doses.map((dose) => ({ x: x(dose), label: formatSetting(dose) }));
  const shown = ticks.filter((t, i) => i === 0 || t.x - ticks[i - 1].x >= 30);
  const axis = { x, ticks: shown, minor: [], left, right };
  const estimates = medians(data, fit);
  const values = [
    ...fit.seeds.map((s) => s[1]),
    ...fit.y.flatMap((e) => [e.at, e.lo, e.hi]),
    ...estimates.flatMap((m) => [m.at, m.lo, m.hi]),
  ].filter((v) => isNumber(v) && (isLoss(data) || v > 0));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const vertical = isLoss(data)
    ? verticalAxis(values, { top, bottom })
    : logVertical(least / 1.12, most * 1.12, top, bottom);
  drawVertical(root, vertical, { left, right, top, bottom, name: `${data.event}: ${axisLabel(data)}` });
  const y = vertical.y;
  const xs = fit.x.map(x);
  const column = (key) => fit.y.map((e) => (isNumber(e[key]) ? y(e[key]) : null));
  const clip = `clip-${Math.random().toString(36).slice(2)}`;
  svg("rect", { x: left, y: top, width: right - left, height: bottom - top }, svg("clipPath", { id: clip }, root));
  const area = svg("g", { "clip-path": `url(#${clip})` }, root);
  svg("path", { class: "fit-band", d: areaPath(xs, column("lo"), column("hi")) }, area);
  svg("path", { class: "fit", d: linePath(xs, column("at")) }, area);
  const gap = Math.min(...doses.slice(1).map((d, i) => x(d) - x(doses[i])));
  drawSeedDots(data, colors, fit, area, { x, y, room: Math.min(gap - 18, pad - 4) });
  for (const m of estimates) {
    const color = colors.get(m.arm);
    const at = round(x(m.dose) - 9);
    const g = svg("g", { style: `stroke:${color}` }, area);
    const far = isLoss(data) ? bottom : top;
    const ends = [isNumber(m.lo) ? y(m.lo) : isLoss(data) ? far : bottom, isNumber(m.hi) ? y(m.hi) : far];
    svg("line", { class: "err", x1: at, x2: at, y1: round(ends[0]), y2: round(ends[1]) }, g);
    if (isNumber(m.at)) {
      svg("path", { d: `M${at} ${round(y(m.at)) - 5}l5 5l-5 5l-5 -5Z`, style: `fill:${color};stroke:var(--paper)` }, g);
    }
  }
  drawTimeAxis(root, axis, bottom, log ? `${data.dose.knob} (log scale)` : data.dose.knob);
}

/** Median of each arm at its dose. */
function medians(data, fit) {
  const figures = data.stages.find((s) => s.stage === fit.stage)?.arms ?? [];
  const all = figures.map((f) => ({ ...f[data.event], arm: f.arm, dose: data.arms.find((a) => a.name === f.arm)?.dose }));
  return all.filter((m) => isNumber(m.dose) && (isNumber(m.at) || isNumber(m.lo)));
}

/** Seeds beside the median, in a small column each; those not seen are rings with an arrow to where they lie. */
function drawSeedDots(data, colors, fit, root, { x, y, room }) {
  const arms = new Map(data.arms.map((a) => [a.dose, a.name]));
  const later = isLoss(data) ? 1 : -1;
  const place = (dose, time) => `${dose} ${Math.round(y(time) / 6)}`;
  const drawn = fit.seeds.filter(([, time]) => isNumber(time) && (isLoss(data) || time > 0));
  const [counts, totals] = [new Map(), new Map()];
  for (const [dose, time] of drawn) totals.set(place(dose, time), (totals.get(place(dose, time)) ?? 0) + 1);
  for (const [dose, time, observed] of drawn) {
    const color = colors.get(arms.get(dose));
    // Seeds that would lie on each other step aside.
    const key = place(dose, time);
    const beside = counts.get(key) ?? 0;
    counts.set(key, beside + 1);
    const aside = Math.min(6.5, room / totals.get(key));
    const [cx, cy] = [round(x(dose) + aside * beside), round(y(time))];
    if (observed) {
      svg("circle", { class: "seed-dot", cx, cy, r: 3, style: `fill:${color}` }, root);
    } else {
      const g = svg("g", { class: "seed-ring", style: `stroke:${color}` }, root);
      svg("circle", { cx, cy, r: 2.6 }, g);
      const tip = cy + later * 9;
      svg("path", { d: `M${cx} ${cy + later * 3}V${tip}m-2 ${-later * 2.4}l2 ${later * 2.4}l2 ${-later * 2.4}` }, g);
    }
  }
}

/** The exponent in words below its chart. */
function doseSentence(data, fit, parent) {
  const p = html("p", { class: "found-line" }, parent);
  const name = isLoss(data) ? "slope" : data.dose.log ? "exponent" : "rate";
  if (fit.why) {
    p.append(`No line: ${fit.why}.`);
  } else {
    p.append(`${name} `);
    html("b", {}, p, formatFigure(fit.slope.at));
    p.append(` [${formatFigure(fit.slope.lo)}, ${formatFigure(fit.slope.hi)}]`);
  }
  if (isNumber(fit.tau)) p.append(` · Kendall’s τ ${formatFigure(fit.tau)}, p ${formatP(fit.tau_p)}`);
}

const formatP = (p) => (p < 0.0005 ? p.toExponential(0).replace("-", "−") : p.toFixed(3));
