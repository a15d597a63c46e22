// The page: state, controls, layout of the charts, and the cursor that reads all of them at once.

let data = null;
const host = document.getElementById("charts");
const darkQuery = window.matchMedia("(prefers-color-scheme: dark)");
const state = { replica: 0, unit: "steps", scale: "log", at: null, unfolded: false };
let panels = [];
let rail = null;

/** A row of buttons of which one is pressed. */
function choice(parent, label, options, key) {
  const group = html("div", { class: "choice", role: "group", "aria-label": label }, parent);
  for (const [value, text] of options) {
    const button = html("button", { type: "button", "aria-pressed": state[key] === value }, group, text);
    button.addEventListener("click", () => {
      state[key] = value;
      for (const other of group.children) other.setAttribute("aria-pressed", other === button);
      build();
    });
  }
}

/** The replicas to choose from; many of them as a list instead of buttons. */
function replicaChoice(parent) {
  const options = [["all", "all"], ...data.replicas.map((replica, i) => [i, replica.name])];
  const letters = options.reduce((sum, [, text]) => sum + text.length, 0);
  if (letters < 60) {
    choice(parent, "replica", options, "replica");
    return;
  }
  const label = html("label", { class: "choice" }, parent, "Replica ");
  const select = html("select", {}, label);
  for (const [value, text] of options) {
    const option = html("option", { value }, select, text);
    option.selected = state.replica === value;
  }
  select.addEventListener("change", () => {
    state.replica = select.value === "all" ? "all" : Number(select.value);
    build();
  });
}

const shownReplicas = () => (state.replica === "all" ? data.replicas : [data.replicas[state.replica]]);

/** The rail that stays in sight: what is read, and the names of the stages. */
function buildRail() {
  const row = html("div", { class: "row rail" }, host);
  const reading = html("div", { class: "reading-at", "aria-live": "polite" }, row);
  const plot = html("div", { class: "plot", tabindex: 0, role: "slider", "aria-label": "Checkpoint" }, row);
  rail = { reading, root: svg("svg", { "aria-hidden": "true" }, plot), plot };
  plot.addEventListener("keydown", (event) => {
    const steps = shownReplicas()[0].steps;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") state.at = null;
    else if (move) state.at = Math.min(Math.max((state.at ?? steps.length - 1) + move, 0), steps.length - 1);
    else return;
    event.preventDefault();
    showCursor();
  });
}

/** One chart with what stands beside it. `parts`: {chart, content(), replica}. */
function buildPanel(parent, chart, content, replica, letter) {
  const figure = html("figure", { class: "row panel", "data-chart": chart.name }, parent);
  const caption = html("figcaption", {}, figure);
  const title = html("h3", {}, caption);
  if (letter) html("span", { class: "letter" }, title, letter);
  title.append(chart.title);
  // Losses are in nats unless the page says otherwise.
  const other = data.unit && chart.unit?.startsWith("nats");
  const unit = other ? data.unit : chart.unit;
  if (unit) html("span", { class: "unit" }, title, unit);
  const note = other ? chart.otherNote ?? chart.note : chart.note;
  html("p", { class: "note" }, caption, content.note ?? note);
  const plot = html("div", { class: "plot" }, figure);
  const root = svg("svg", { role: "img", "aria-label": chart.title }, plot);
  const legend = content.series && content.series.length > 0 ? html("ul", { class: "legend" }, caption) : null;
  const panel = { chart, content, replica, caption, plot, root, keys: [] };
  if (chart.heat) heatKey(caption, replica, darkQuery.matches);
  if (legend) buildLegend(panel, legend);
  panels.push(panel);
}

/** A key for each line, or for each group of lines; each holds the value that is read. */
function buildLegend(panel, legend) {
  const groups = new Map();
  for (const line of panel.content.series.toReversed()) {
    const name = line.group ?? line.name;
    if (!groups.has(name)) groups.set(name, { name, lines: [] });
    groups.get(name).lines.push(line);
  }
  for (const group of groups.values()) {
    const item = html("li", {}, legend);
    const line = group.lines[0];
    const swatch = svg("svg", { width: 20, height: 10, "aria-hidden": "true" }, item);
    const style = `stroke:${line.color};stroke-width:${Math.min(line.width ?? 1.8, 2)}`;
    const dash = line.dash ? { "stroke-dasharray": line.dash } : {};
    if (line.area) svg("rect", { x: 0, y: 1, width: 20, height: 8, style: `fill:${line.color}`, opacity: 0.22 }, swatch);
    if (line.line !== false) svg("line", { x1: 0, x2: 20, y1: 5, y2: 5, style, ...dash }, swatch);
    if (line.dots) svg("circle", { cx: 10, cy: 5, r: 2.2, style: `fill:${line.color}` }, swatch);
    html("span", {}, item, group.name);
    panel.keys.push({ group, value: html("b", {}, item) });
    item.addEventListener("pointerenter", () => emphasize(panel, group));
    item.addEventListener("pointerleave", () => emphasize(panel, null));
  }
  buildFlawKeys(panel, legend);
}

/** Fades every line but those of a group. */
function emphasize(panel, group) {
  const names = new Set(group?.lines.map((line) => line.name));
  for (const g of panel.root.querySelectorAll("g.series")) {
    g.classList.toggle("faded", group !== null && !names.has(g.dataset.series));
  }
}

/** Builds everything anew for the state. */
function build() {
  panels = [];
  host.replaceChildren();
  buildControls();
  if (data.replicas.length === 0) return;
  buildRail();
  const all = state.replica === "all";
  const replica = shownReplicas()[0];
  let count = 0;
  const letter = () => String.fromCharCode(97 + count++);
  if (all) {
    const rows = { name: "all_stages", title: "Stages", note: "Bars are stages; the thin line below is the interval of each edge." };
    buildPanel(host, rows, { rows: data.replicas }, null, letter());
    for (const chart of OVERLAYS) {
      const content = chart.make(data.replicas);
      if (content.series.length > 0) buildPanel(host, chart, content, null, letter());
    }
    html("p", { class: "absent" }, host, "Choose one replica to see its other measures.");
  } else {
    if (replica.frozen) html("p", { class: "absent" }, host, `Frozen during training: ${replica.frozen}`);
    for (const chart of CHARTS.flatMap((c) => (c.name === "llc" ? [c, ...partCharts(replica)] : [c]))) {
      if (replica.absent[chart.name]) continue;
      buildPanel(host, chart, chart.heat ? {} : chart.make(replica), replica, letter());
    }
    buildFolded(replica, letter);
    buildAbsent(replica);
  }
  layout();
}

/** The charts that wait folded; they are laid out when they are opened. */
function buildFolded(replica, letter) {
  const there = FOLDED.filter((chart) => !replica.absent[chart.name]);
  if (there.length === 0) return;
  const fold = html("details", { class: "fold" }, host);
  fold.open = state.unfolded;
  const names = new Set(there.map((chart) => (chart.part ? "composition of heads" : chart.title.toLowerCase())));
  html("summary", {}, fold, `More: ${[...names].join(", ")}`);
  for (const chart of there) {
    const content = chart.make(replica);
    if (content.series.length > 0) buildPanel(fold, chart, content, replica, letter());
  }
  fold.addEventListener("toggle", () => {
    state.unfolded = fold.open;
    layout();
  });
}

/** What is said in place of the charts that have no data. */
function buildAbsent(replica) {
  const names = new Set([...CHARTS, ...FOLDED].map((chart) => chart.name));
  const sentences = [...names].map((name) => replica.absent[name]).filter(Boolean);
  if (sentences.length === 0) return;
  const box = html("div", { class: "absent" }, host);
  html("b", {}, box, sentences.length === 1 ? "A chart is left out" : "Charts are left out");
  const list = html("ul", {}, box);
  for (const sentence of sentences) html("li", {}, list, sentence);
}

function buildControls() {
  const controls = html("div", { class: "controls" }, host);
  if (data.replicas.length > 1) replicaChoice(controls);
  choice(controls, "unit of the axis", [["steps", "steps"], ["tokens", "tokens"]], "unit");
  choice(controls, "scale of the axis", [["log", "log"], ["linear", "linear"]], "scale");
}

/** The shared axis for the present width. */
function presentAxis() {
  const width = rail.plot.clientWidth;
  const narrow = width < 480;
  const replicas = shownReplicas();
  const lasts = replicas.map((r) => Math.max(r.steps.at(-1) ?? 0, r.training.steps.at(-1) ?? 0));
  const longest = replicas[lasts.indexOf(Math.max(...lasts))];
  const { steps, tokens } = longest;
  const last = Math.max(...lasts);
  const sides = { left: narrow ? 36 : 46, right: narrow ? 26 : 40 };
  return sharedAxis({ last, unit: state.unit, scale: state.scale, steps, tokens, width, ...sides });
}

/** Draws everything at the present size. */
function layout() {
  if (!rail) return;
  const axis = presentAxis();
  rail.axis = axis;
  measured.clear();
  if (state.replica === "all") {
    rail.root.replaceChildren();
    rail.root.setAttribute("height", 0);
  } else {
    drawRail(rail.root, axis, shownReplicas()[0]);
  }
  for (const panel of panels) {
    if (panel.plot.clientWidth > 0) drawPanel(panel, axis);
  }
  showCursor();
}

/** Draws one chart: bands, frame, lines, edges, and an empty group for the cursor. */
function drawPanel(panel, axis) {
  const { chart, content, replica, root } = panel;
  const narrow = axis.width < 480;
  const beside = panel.caption.offsetTop === panel.plot.offsetTop ? panel.caption.offsetHeight : 0;
  const wanted = content.height ?? (content.rows ? content.rows.length * 34 + 36 : 190);
  const height = Math.round(Math.max(narrow ? wanted * 0.86 : wanted, beside));
  const [top, bottom] = [8, height - 24];
  root.setAttribute("viewBox", `0 0 ${axis.width} ${height}`);
  root.setAttribute("height", height);
  root.replaceChildren();
  panel.frame = { top, bottom };
  if (content.rows) {
    drawHorizontal(root, axis, { bottom });
    drawStageRows(root, axis, content.rows, { top, row: (bottom - top - 4) / content.rows.length });
  } else if (chart.heat) {
    drawHeat(root, axis, replica, { top, bottom, dark: darkQuery.matches });
    drawBands(root, axis, replica, { top, bottom, tint: false });
    drawEdges(root, axis, replica, { top, bottom, over: true });
  } else {
    const values = content.series.flatMap((s) => [...s.ys, ...(s.area ? [...s.area.lo, ...s.area.hi] : [])]);
    const { zero, log, floor } = content;
    panel.vertical = verticalAxis(values, { top: top + 4, bottom, zero, log, floor });
    if (replica) drawBands(root, axis, replica, { top, bottom, tint: true });
    drawFrame(root, axis, panel.vertical, { top, bottom, zeroLine: content.zeroLine });
    if (replica) drawEdges(root, axis, replica, { top, bottom });
    drawSeries(root, axis, panel.vertical, content, { top, bottom });
  }
  panel.cursor = svg("g", { class: "cursor" }, root);
  panel.width = axis.width;
}

/** Shows the checkpoint that is read: a line in every chart, values in the legends. */
function showCursor() {
  const replica = shownReplicas()[0];
  const index = state.at === null ? replica.steps.length - 1 : Math.min(state.at, replica.steps.length - 1);
  const step = replica.steps[index] ?? 0;
  const active = state.at !== null;
  const tokens = `${formatCount(replica.tokens[index] ?? 0)} tokens`;
  rail.reading.replaceChildren();
  html("b", {}, rail.reading, active ? `Step ${step.toLocaleString("en")}` : `Last checkpoint, step ${step.toLocaleString("en")}`);
  rail.reading.append(` ${tokens}`);
  rail.plot.setAttribute("aria-valuetext", `step ${step}, ${tokens}`);
  rail.plot.setAttribute("aria-valuenow", index);
  rail.plot.setAttribute("aria-valuemax", Math.max(replica.steps.length - 1, 0));
  rail.reading.classList.toggle("active", active);
  const x = round(rail.axis.x(step));
  for (const panel of panels) {
    panel.cursor?.replaceChildren();
    showFlaws(panel, active && panel.cursor ? step : null, x);
    if (active && panel.cursor) {
      svg("line", { x1: x, x2: x, y1: panel.frame.top, y2: panel.frame.bottom }, panel.cursor);
    }
    for (const { group, value } of panel.keys) {
      const read = group.lines.map((line) => ({ line, at: valueAt(line, step) })).filter(({ at }) => at);
      const top = read.reduce((best, r) => (best && best.at.value >= r.at.value ? best : r), null);
      value.textContent = formatFigure(top?.at.value);
      if (!active || !panel.cursor || !panel.vertical || group.lines.length > 1) continue;
      for (const { line, at } of read) {
        const place = { cx: x, cy: round(panel.vertical.y(at.value)), r: 3.2 };
        svg("circle", { ...place, style: `fill:${line.color}` }, panel.cursor);
      }
    }
  }
}

/** The checkpoint nearest to a place on the axis. */
function nearest(x) {
  const { steps } = shownReplicas()[0];
  let best = 0;
  steps.forEach((step, i) => {
    if (Math.abs(rail.axis.x(step) - x) < Math.abs(rail.axis.x(steps[best]) - x)) best = i;
  });
  return best;
}

function follow(event) {
  const plot = event.target.closest?.(".plot");
  if (!plot || !rail) return;
  const at = nearest(event.clientX - plot.getBoundingClientRect().left);
  if (at === state.at) return;
  state.at = at;
  showCursor();
}

function start() {
  data = JSON.parse(document.getElementById("ontogeny-data").textContent);
  build();
  host.addEventListener("pointermove", follow);
  const leave = () => {
    if (!rail || state.at === null) return;
    state.at = null;
    showCursor();
  };
  host.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && leave());
  // A finger does not leave: it reads where it taps, and elsewhere it lets go.
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest?.(".plot")) follow(event);
    else if (!event.target.closest?.("button, select, summary")) leave();
  });
  let width = host.clientWidth;
  new ResizeObserver(() => {
    if (host.clientWidth === width) return;
    width = host.clientWidth;
    layout();
  }).observe(host);
  darkQuery.addEventListener("change", build);
}

try {
  start();
  document.documentElement.dataset.ready = "true";
} catch (error) {
  document.documentElement.dataset.error = String(error);
  html("p", { class: "absent" }, host, `The charts could not be drawn: ${error}`);
}
