// Loss by position as a heat map on the shared axis.

const RAMPS = {
  // From a high loss to a low one: what has been learned stands out from the page.
  light: ["#f6f1e4", "#cfdcc6", "#8fbcb4", "#4b8ea3", "#255f8a", "#14305c"],
  dark: ["#1b2029", "#22404f", "#2a6b74", "#4f9c86", "#a6c889", "#f4e8a8"],
};

const rgb = (hex) => [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16));

/** Colour at `share` of the ramp, 0 = highest loss, 1 = lowest. */
function rampColor(ramp, share) {
  const place = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
  const i = Math.min(Math.floor(place), ramp.length - 2);
  const [a, b] = [rgb(ramp[i]), rgb(ramp[i + 1])];
  return a.map((value, k) => Math.round(value + (b[k] - value) * (place - i)));
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

/** Range of the colours: the middle 98 % of all cells, so that one odd cell does not set it. */
function heatRange(positions) {
  const sorted = positions.loss.flat().filter(isNumber).sort((a, b) => a - b);
  const [lo, hi] = [quantile(sorted, 0.01), quantile(sorted, 0.99)];
  return { lo, hi: hi - lo < 1e-9 ? lo + 1 : hi };
}

/** Edges of the columns: halfway between neighbouring checkpoints on the axis. */
function columnEdges(steps, axis) {
  const xs = steps.map(axis.x);
  const edges = [axis.left];
  for (let i = 1; i < xs.length; i += 1) edges.push((xs[i - 1] + xs[i]) / 2);
  edges.push(axis.right);
  return edges;
}

/** Paints the cells and returns them as a picture; one device pixel is one pixel of it. */
function heatPicture(replica, axis, height, ramp) {
  const { edges, loss } = replica.positions;
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round((axis.right - axis.left) * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const paint = canvas.getContext("2d");
  const range = heatRange(replica.positions);
  const columns = columnEdges(replica.steps, axis).map((x) => Math.round((x - axis.left) * ratio));
  const rows = edges.map((edge) => Math.round(heatPlace(edge, edges.at(-1)) * canvas.height));
  loss.forEach((cells, i) => {
    cells.forEach((value, k) => {
      if (!isNumber(value)) return;
      const share = 1 - (value - range.lo) / (range.hi - range.lo);
      paint.fillStyle = `rgb(${rampColor(ramp, share).join(" ")})`;
      paint.fillRect(columns[i], rows[k], columns[i + 1] - columns[i], rows[k + 1] - rows[k]);
    });
  });
  return canvas.toDataURL("image/png");
}

/** Where a position lies from top (0) to bottom (1). */
const heatPlace = (position, count) => Math.log1p(position) / Math.log1p(count);

/** The heat map with its axes; bands are only strips here, the cells carry the colour. */
function drawHeat(root, axis, replica, { top, bottom, dark }) {
  const ramp = dark ? RAMPS.dark : RAMPS.light;
  const href = heatPicture(replica, axis, bottom - top, ramp);
  const size = { width: axis.right - axis.left, height: bottom - top };
  svg("image", { href, x: axis.left, y: top, ...size, preserveAspectRatio: "none" }, root);
  const count = replica.positions.edges.at(-1);
  let lowest = -Infinity;
  for (const position of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]) {
    if (position > count) break;
    // The middle of the position's own row; positions are counted from one, as a reader does.
    const y = top + heatPlace(position - 0.5, count) * (bottom - top);
    if (y - lowest < 14) continue;
    lowest = y;
    const place = { x: axis.left - 7, y: round(y), dy: "0.34em", "text-anchor": "end" };
    svg("text", place, root, formatCount(position));
  }
  drawHorizontal(root, axis, { top, bottom });
}

/** The key of the colours: a bar from low to high loss. */
function heatKey(parent, replica, dark) {
  const ramp = dark ? RAMPS.dark : RAMPS.light;
  const { lo, hi } = heatRange(replica.positions);
  const key = html("div", { class: "heat-key" }, parent);
  html("span", {}, key, formatFigure(hi));
  html("i", { style: `background:linear-gradient(to right, ${ramp.join(",")})` }, key);
  html("span", {}, key, formatFigure(lo));
}
