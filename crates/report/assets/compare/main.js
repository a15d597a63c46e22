// The figures of a comparison in their order, drawn anew at every width.

const data = JSON.parse(document.getElementById("ontogeny-data").textContent);
const host = document.getElementById("figures");
const charts = [];

/** A section with a heading, a sentence, and room for charts. */
function section(title, sentence, { columns = "", arms = null } = {}) {
  const part = html("section", {}, host);
  html("h2", {}, part, title);
  html("p", { class: "caption" }, part, sentence);
  if (arms) armLegend(part, arms);
  return html("div", { class: `grid-of ${columns}` }, part);
}

/** The arms with their colours and dashes. */
function armLegend(parent, colors) {
  const list = html("ul", { class: "arms" }, parent);
  for (const arm of data.arms) {
    const item = html("li", {}, list);
    const swatch = svg("svg", { width: 30, height: 10, "aria-hidden": "true" }, item);
    const dash = dashOf(data, arm.name);
    svg("line", { x1: 0, x2: 30, y1: 5, y2: 5, style: `stroke:${colors.get(arm.name)};stroke-width:2.4`, ...(dash ? { "stroke-dasharray": dash } : {}) }, swatch);
    const dose = data.dose && isNumber(arm.dose) ? ` (${data.dose.knob} ${formatSetting(arm.dose)})` : "";
    html("span", {}, item, arm.name + dose);
    item.addEventListener("pointerenter", () => emphasizeArm(arm.name));
    item.addEventListener("pointerleave", () => emphasizeArm(null));
  }
}

/** Fades every line but those of an arm. */
function emphasizeArm(name) {
  for (const g of host.querySelectorAll("g.series")) g.classList.toggle("faded", name !== null && g.dataset.arm !== name);
}

const add = (parent, title, unit, draw) => {
  const chart = chartIn(parent, title, unit, draw);
  charts.push(chart);
  return chart;
};

function build() {
  const colors = armColors(data);
  const percent = `${Math.round(100 * data.level)} %`;
  const lines = section("Stages of every arm",
    `Bars: from median onset to median end; whiskers: ${percent} intervals of the onsets; thin lines: the seeds. The diamond is induction*, which is read without the detector.`,
    { columns: "wide" });
  stageLegend(lines);
  add(lines, "Timelines", "", (root, width) => drawTimelines(data, root, width));

  const stages = data.stages.filter((s) => s.arms.some((a) => a.survival) && !(data.event === "onset" && comesFirst(data, s.stage)));
  if (stages.length > 0) {
    const grid = section("Survival",
      `Share of seeds in which the ${data.event} of a stage has not come (Kaplan–Meier), with pointwise ${percent} bands; a tick marks seeds whose run ended first.`,
      { arms: colors, columns: "two" });
    for (const s of stages) add(grid, stageLabel(s.stage), data.event, (root, width) => drawSurvival(data, colors, s, root, width));
  }

  const fits = data.dose ? data.dose.fits.filter((f) => stages.some((s) => s.stage === f.stage)) : [];
  if (fits.length > 0) {
    const grid = section("Dose–response",
      `Dots: seeds; rings with an arrow: seeds whose run ended first; diamonds: medians with ${percent} intervals; line: log-normal accelerated-failure-time fit with its ${percent} band.`,
      { columns: "two" });
    for (const fit of fits) {
      const chart = add(grid, stageLabel(fit.stage), data.event, (root, width) => drawDose(data, colors, fit, root, width));
      doseSentence(data, fit, chart.figure);
    }
  }

  if (data.equal_loss) {
    const grid = section("At equal loss", `Means over seeds where each has come down to the same ${data.loss}, with ${percent} intervals.`, { arms: colors });
    const { levels, measures } = data.equal_loss;
    for (const measure of new Set(measures.map((m) => m.measure))) {
      const [title, unit] = measureLabel(measure);
      const own = measures.filter((m) => m.measure === measure).map((m) => ({ arm: m.arm, x: levels, y: m.y }));
      add(grid, title, unit, (root, width) => drawLines(data, colors, own, root, width, { name: title, unit, log: measure === "step" }));
    }
  } else if (data.curves.length > 0) {
    const grid = section("Measures", `Means over seeds with ${percent} intervals; a line without a band is one seed.`, { arms: colors });
    for (const curve of data.curves) {
      const [title, unit] = measureLabel(curve.measure);
      const own = curve.arms.map(([arm, c]) => ({ arm, ...c }));
      add(grid, title, unit, (root, width) => drawLines(data, colors, own, root, width, { name: title, unit }));
    }
  }

  for (const dynamics of data.dynamics.filter((d) => d && d.paths.length > 0 && d.explained.length > 1)) {
    const grid = section("Essential dynamics",
      "Principal components of the outputs of all checkpoints together: a path for each replica, a dot at its end; squares are the oracles.", { arms: colors });
    const planes = dynamics.explained.length > 2 ? [[0, 1], [0, 2], [1, 2]] : [[0, 1]];
    for (const plane of planes) {
      add(grid, `Components ${plane[0] + 1} and ${plane[1] + 1}`, "", (root, width) => drawDynamics(data, colors, dynamics, plane, root, width));
    }
  }
}

/** The stages with their colours. */
function stageLegend(parent) {
  const list = html("ul", { class: "arms" }, parent);
  const drawn = new Set(data.timelines.flatMap((t) => t.seeds.flatMap((s) => s.stages.map((g) => g[0]))));
  const given = (data.names ?? []).map((stage) => stage.name);
  for (const name of [...STAGES, ...given, "unnamed"].filter((s) => drawn.has(s))) {
    html("span", { class: `chip ${stageClass(name)}` }, html("li", {}, list), stageLabel(name));
  }
  if (data.stages.some((s) => s.stage === "below_bag")) {
    const item = html("li", {}, list);
    const mark = svg("svg", { width: 14, height: 14, "aria-hidden": "true" }, item);
    svg("path", { d: "M7 1l5 6l-5 6l-5 -6Z", style: "fill:var(--paper);stroke:var(--llc);stroke-width:1.8" }, mark);
    html("span", {}, item, "induction*");
  }
}

function layout() {
  for (const chart of charts) {
    const width = chart.plot.clientWidth;
    if (width > 0) chart.draw(chart.root, width);
  }
}

try {
  build();
  layout();
  let width = host.clientWidth;
  new ResizeObserver(() => {
    if (host.clientWidth === width) return;
    width = host.clientWidth;
    layout();
  }).observe(host);
  document.documentElement.dataset.ready = "true";
} catch (error) {
  document.documentElement.dataset.error = String(error);
  html("p", { class: "absent" }, host, `The figures could not be drawn: ${error}`);
}
