// The stages of all arms above one another: medians as bars, intervals below them, seeds as thin lines beneath.

/** Height of the line of one interval. */
const WHISKER = 8;

/** Whether half of the seeds of every arm begin with a stage: its onset would say little. */
function comesFirst(data, stage) {
  return data.timelines.every((t) => 2 * t.seeds.filter((s) => s.stages[0]?.[0] === stage).length >= t.seeds.length);
}

/** The intervals to show below the bars of an arm: onsets that are not the beginning of the run, then induction*. */
function armWhiskers(data, arm, spans) {
  const rows = spans.filter((s) => !comesFirst(data, s.stage)).map((s) => ({ estimate: s.start, tone: stageTone(s.stage) }));
  const bag = data.stages.find((s) => s.stage === "below_bag")?.arms.find((a) => a.arm === arm.name);
  if (bag && isNumber(bag.onset.at)) rows.push({ estimate: bag.onset, tone: stageTone("below_bag"), diamond: true });
  return rows;
}

/** The median spans of an arm: {stage, start, end} with intervals; only what half of the seeds came to. */
function medianSpans(data, arm) {
  const spans = [];
  for (const figures of data.stages) {
    if (figures.stage === "below_bag") continue;
    const found = figures.arms.find((a) => a.arm === arm.name);
    if (found && isNumber(found.onset.at)) spans.push({ stage: figures.stage, start: found.onset, end: found.end });
  }
  const order = isLoss(data) ? (a, b) => b.start.at - a.start.at : (a, b) => a.start.at - b.start.at;
  spans.sort(order);
  // Medians of different seeds need not fit together: a bar gives way to the next one's beginning.
  spans.forEach((span, i) => {
    const next = spans[i + 1]?.start.at;
    const later = (a, b) => (isLoss(data) ? a < b : a > b);
    span.until = span.end.at ?? arm.last;
    if (isNumber(next) && later(span.until, next)) span.until = next;
  });
  return spans;
}

function drawTimelines(data, root, width) {
  const narrow = width < 480;
  const left = narrow ? 8 : 132;
  const right = width - 14;
  const seedHeight = 4;
  const blocks = data.arms.map((arm) => {
    const line = data.timelines.find((t) => t.arm === arm.name);
    const spans = medianSpans(data, arm);
    const whiskers = armWhiskers(data, arm, spans);
    const above = 26 + whiskers.length * WHISKER;
    const own = Math.max(above + (line?.seeds.length ?? 0) * seedHeight, narrow ? 0 : 32);
    return { arm, line, spans, whiskers, above, height: (narrow ? 18 : 0) + own + 16 };
  });
  const total = blocks.reduce((sum, b) => sum + b.height, 0);
  const bottom = total + 6;
  sized(root, width, bottom + 40);
  const values = data.arms.map((a) => a.last);
  for (const block of blocks) {
    for (const seed of block.line?.seeds ?? []) for (const [, from, to] of seed.stages) values.push(from, to ?? from);
  }
  // The first tenth of a log axis is where nothing happens: it begins at step 10 or so.
  const counts = !isLoss(data);
  const inner = values.filter((v) => v > 0);
  const axis = timeAxis(data, values, { left, right, from: counts ? Math.min(...inner, ...data.arms.map((a) => a.last)) / 4 : null });
  let y = 4;
  for (const { arm, line, spans, whiskers, above, height } of blocks) {
    let top = y;
    const dose = isNumber(arm.dose) && data.dose ? ` ${formatSetting(arm.dose)}` : "";
    if (narrow) {
      svg("text", { class: "strong", x: left, y: top + 12 }, root, arm.name);
      top += 18;
    } else {
      svg("text", { class: "strong", x: left - 10, y: top + 14, "text-anchor": "end" }, root, arm.name);
      if (dose) svg("text", { class: "small", x: left - 10, y: top + 28, "text-anchor": "end" }, root, `${data.dose.knob}${dose}`);
    }
    for (const span of spans) drawSpan(root, axis, span, top);
    whiskers.forEach((w, i) => whisker(root, axis, w, top + 27 + i * WHISKER));
    const base = top + above + 3;
    (line?.seeds ?? []).forEach((seed, i) => {
      const at = base + i * seedHeight;
      for (const [name, from, to] of seed.stages) {
        const place = { x1: round(axis.x(from)), x2: round(axis.x(to ?? arm.last)), y1: at, y2: at };
        const bar = svg("line", { ...place, style: `stroke:${stageTone(name)}`, "stroke-width": 2.6, opacity: 0.75 }, root);
        svg("title", {}, bar, `${arm.name}, seed ${seed.seed}: ${stageLabel(name)}`);
      }
    });
    y += height;
    const foot = round(y - 7);
    if (y < total) svg("line", { class: "row", x1: narrow ? left : 8, x2: right, y1: foot, y2: foot }, root);
  }
  drawTimeAxis(root, axis, bottom, axisLabel(data));
}

function drawSpan(root, axis, span, top) {
  const [x1, x2] = [axis.x(span.start.at), axis.x(span.until)];
  const width = Math.max(x2 - x1 - 1, 1);
  const bar = svg("g", { class: "pill" }, root);
  svg("rect", { x: round(x1), y: top + 2, width: round(width), height: 18, rx: 2, style: `fill:${stageTone(span.stage)}` }, bar);
  const label = stageLabel(span.stage);
  if (label.length * 6.6 < width) {
    svg("text", { class: "stage-name", x: round(x1 + width / 2), y: top + 15, "text-anchor": "middle" }, bar, label);
  }
}

/** The interval of an onset as a line with its median as a mark; what is open goes on to the edge. */
function whisker(root, axis, { estimate, tone, diamond }, y) {
  const past = axis.right;
  const ends = [isNumber(estimate.lo) ? axis.x(estimate.lo) : past, isNumber(estimate.hi) ? axis.x(estimate.hi) : past];
  const [from, to] = [Math.min(...ends), Math.max(...ends)];
  const g = svg("g", { style: `stroke:${tone}` }, root);
  svg("line", { class: "err", x1: round(from), x2: round(to), y1: y, y2: y }, g);
  for (const x of [from, to]) {
    if (x < past - 0.5) svg("line", { class: "err", x1: round(x), x2: round(x), y1: y - 3, y2: y + 3 }, g);
  }
  const x = round(axis.x(estimate.at));
  if (diamond) svg("path", { d: `M${x} ${y - 4.5}l4 4.5l-4 4.5l-4 -4.5Z`, style: `fill:var(--paper);stroke-width:1.6` }, g);
  else svg("circle", { cx: x, cy: y, r: 3, style: `fill:${tone};stroke:none` }, g);
}

/** A knob's value, short. */
const formatSetting = (value) => String(Number(value.toPrecision(4))).replace("-", "−");
