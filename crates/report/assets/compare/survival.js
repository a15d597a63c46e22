// Kaplan–Meier curves: one chart for each stage, one step function for each arm.

/** Corners of a step function from the beginning to the end of waiting. */
function stepPath(axis, y, times, shares, start, end) {
  let path = `M${round(axis.x(start))} ${round(y(1))}`;
  let level = 1;
  times.forEach((time, i) => {
    path += `L${round(axis.x(time))} ${round(y(level))}L${round(axis.x(time))} ${round(y(shares[i]))}`;
    level = shares[i];
  });
  return `${path}L${round(axis.x(end))} ${round(y(level))}`;
}

function stepArea(axis, y, curve, start, end) {
  const upper = stepPath(axis, y, curve.times, curve.hi, start, end);
  const points = stepPath(axis, y, curve.times, curve.lo, start, end).slice(1).split("L").reverse();
  return `${upper}L${points.join("L")}Z`;
}

function drawSurvival(data, colors, figures, root, width) {
  const [left, right, top, height] = [50, width - 12, 8, 236];
  const bottom = height - 42;
  sized(root, width, height);
  const drawn = figures.arms.filter((a) => a.survival);
  const last = (arm) => data.arms.find((a) => a.name === arm.arm).last;
  const times = drawn.flatMap((a) => [...a.survival.times, ...a.survival.censored, last(a)]);
  const counts = !isLoss(data);
  const seen = drawn.flatMap((a) => a.survival.times).filter((t) => t > 0);
  const from = counts ? Math.min(...seen, ...times.filter((t) => t > 0)) / 1.8 : null;
  const axis = timeAxis(data, times, { left, right, from });
  const y = (share) => bottom - share * (bottom - top);
  const vertical = { y, ticks: [0, 0.25, 0.5, 0.75, 1].map((value) => ({ value, label: String(value) })) };
  drawVertical(root, vertical, { left, right, top, bottom, name: "share of seeds without it" });
  const start = counts ? axis.lo : axis.hi;
  const ends = (a) => {
    const all = [...a.survival.times, ...a.survival.censored];
    return counts ? Math.max(...all) : Math.min(...all);
  };
  for (const a of drawn) {
    const style = `fill:${colors.get(a.arm)}`;
    svg("path", { class: "band", d: stepArea(axis, y, a.survival, start, ends(a)), style }, root);
  }
  for (const a of drawn) {
    const color = colors.get(a.arm);
    const d = stepPath(axis, y, a.survival.times, a.survival.share, start, ends(a));
    const g = svg("g", { class: "series", "data-arm": a.arm }, root);
    const dash = dashOf(data, a.arm);
    svg("path", { class: "step", d, style: `stroke:${color}`, ...(dash ? { "stroke-dasharray": dash } : {}) }, g);
    for (const time of new Set(a.survival.censored)) {
      const after = a.survival.times.filter((t) => (counts ? t <= time : t >= time)).length;
      const share = after > 0 ? a.survival.share[after - 1] : 1;
      const [x, at] = [round(axis.x(time)), round(y(share))];
      svg("line", { class: "tick", x1: x, x2: x, y1: at - 5, y2: at + 5, style: `stroke:${color}` }, g);
    }
  }
  drawTimeAxis(root, axis, bottom, axisLabel(data));
}
