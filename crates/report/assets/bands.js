// Stages over the charts: tints, edges with their intervals, and the rail with their names.

const stageColor = (span) => `var(--stage-${span.tone})`;

/** Every place where a stage begins or ends, each once, as {at, lo, hi}. */
function stageEdges(replica) {
  const places = [];
  for (const stage of replica.stages) {
    places.push(stage.start);
    if (stage.end) places.push(stage.end);
  }
  places.push(...replica.boundaries);
  const edges = [];
  for (const [at, lo, hi] of places) {
    const near = (edge) => Math.abs(Math.log1p(edge.at) - Math.log1p(at)) < 0.01;
    if (isNumber(at) && !edges.some(near)) edges.push({ at, lo: lo ?? at, hi: hi ?? at });
  }
  return edges;
}

/** The stages as pixels: {tone, label, number, left, right, open}; an open one reaches to the end. */
function stageSpans(replica, axis) {
  return replica.stages.filter((stage) => isNumber(stage.start[0])).map((stage, index) => ({
    tone: stage.class ?? stage.name,
    label: stage.label,
    number: index + 1,
    left: Math.min(axis.x(stage.start[0]), axis.right),
    right: stage.end ? Math.min(axis.x(stage.end[0]), axis.right) : axis.right,
    open: !stage.end,
  }));
}

/** Tints behind a chart; a heat map takes only the strip along its top. */
function drawBands(root, axis, replica, { top, bottom, tint }) {
  const g = svg("g", { class: "bands" }, root);
  for (const span of stageSpans(replica, axis)) {
    const place = { x: round(span.left), width: round(Math.max(span.right - span.left, 0)) };
    const style = `fill:${stageColor(span)}`;
    if (tint) svg("rect", { class: "tint", ...place, y: top, height: bottom - top, style }, g);
    svg("rect", { class: "strip", ...place, y: top - 3, height: 3, style }, g);
  }
}

/** Edges of the stages with the intervals of their places; over a heat map only the edges. */
function drawEdges(root, axis, replica, { top, bottom, over = false }) {
  const g = svg("g", { class: over ? "edges over" : "edges" }, root);
  for (const edge of stageEdges(replica)) {
    const [left, right] = [edge.lo, edge.hi].map((step) => Math.min(axis.x(step), axis.right));
    const size = { width: round(Math.max(right - left, 0)), height: bottom - top };
    if (!over) svg("rect", { class: "interval", x: round(left), y: top, ...size }, g);
    const x = round(Math.min(axis.x(edge.at), axis.right));
    svg("line", { x1: x, x2: x, y1: top, y2: bottom }, g);
  }
}

/** Width of a text in the rail's type, measured once for each text. */
const measured = new Map();
function textWidth(root, text) {
  if (!measured.has(text)) {
    const probe = svg("text", { class: "stage-name", visibility: "hidden" }, root, text);
    measured.set(text, probe.getComputedTextLength());
    probe.remove();
  }
  return measured.get(text);
}

/** The rail above the charts: names of the stages, whiskers at their edges. */
function drawRail(root, axis, replica) {
  const height = 34;
  root.setAttribute("viewBox", `0 0 ${axis.width} ${height}`);
  root.setAttribute("height", height);
  root.replaceChildren();
  for (const span of stageSpans(replica, axis)) {
    const width = Math.max(span.right - span.left - 1.5, 1);
    const color = stageColor(span);
    const place = { x: round(span.left + 0.75), y: 3, width: round(width), height: 20, rx: 3 };
    const pill = svg("g", { class: "pill" }, root);
    svg("rect", { ...place, style: `fill:${color}` }, pill);
    svg("title", {}, pill, `${span.number} ${span.label}`);
    // The name if it fits, otherwise the number that the table gives the stage.
    const text = textWidth(root, span.label) <= width - 4 ? span.label : String(span.number);
    const middle = round((span.left + span.right) / 2);
    if (width > 9) {
      svg("text", { class: "stage-name", x: middle, y: 17, "text-anchor": "middle" }, pill, text);
    }
  }
  for (const edge of stageEdges(replica)) {
    const [left, right] = [edge.lo, edge.hi].map((step) => round(Math.min(axis.x(step), axis.right)));
    const x = round(Math.min(axis.x(edge.at), axis.right));
    const g = svg("g", { class: "whisker" }, root);
    svg("line", { x1: left, x2: right, y1: 29, y2: 29 }, g);
    svg("line", { x1: left, x2: left, y1: 26.5, y2: 31.5 }, g);
    svg("line", { x1: right, x2: right, y1: 26.5, y2: 31.5 }, g);
    svg("circle", { cx: x, cy: 29, r: 2.2 }, g);
  }
  if (replica.stages.length === 0) {
    svg("text", { class: "none", x: axis.left, y: 18 }, root, "no stage was found");
  }
}

/** For all replicas together: a row for each, its name above the bars of its stages. */
function drawStageRows(root, axis, replicas, { top, row }) {
  replicas.forEach((replica, index) => {
    const y = top + index * row + 11;
    const [height, middle] = [row - 17, top + index * row + 11 + (row - 17) / 2];
    svg("text", { x: axis.left, y: y - 3 }, root, replica.name);
    svg("line", { class: "row", x1: axis.left, x2: axis.right, y1: middle, y2: middle }, root);
    for (const span of stageSpans(replica, axis)) {
      const width = Math.max(span.right - span.left - 1, 1);
      const place = { x: round(span.left + 0.5), y, width: round(width), height, rx: 2 };
      const bar = svg("g", { class: "pill" }, root);
      svg("rect", { ...place, style: `fill:${stageColor(span)}` }, bar);
      svg("title", {}, bar, `${replica.name}: ${span.label}`);
      if (textWidth(root, span.label) <= width - 8) {
        const at = { class: "stage-name", x: round((span.left + span.right) / 2), y: middle, dy: "0.34em" };
        svg("text", { ...at, "text-anchor": "middle" }, bar, span.label);
      }
    }
    for (const edge of stageEdges(replica)) {
      const [left, right] = [edge.lo, edge.hi].map((step) => round(Math.min(axis.x(step), axis.right)));
      svg("line", { class: "reach", x1: left, x2: right, y1: y + height + 2.5, y2: y + height + 2.5 }, root);
    }
  });
}
