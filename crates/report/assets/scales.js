// Numbers, ticks and the axes. Positions on the horizontal axis are always computed from steps;
// in tokens only the labels differ, so that switching moves nothing.

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A count: 12, 800, 1.3k, 65.5M. */
function formatCount(value) {
  const units = [[999.5e6, 1e9, "G"], [999.5e3, 1e6, "M"], [999.5, 1e3, "k"]];
  for (const [from, scale, unit] of units) {
    if (value >= from) {
      const scaled = value / scale;
      return scaled.toFixed(scaled < 99.95 ? 1 : 0).replace(/\.0$/, "") + unit;
    }
  }
  return String(Math.round(value));
}

/** A figure with three significant digits and a real minus sign. */
function formatFigure(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.0995 || size === 0 ? 2 : 3;
  const text = value.toFixed(digits);
  return /^-[0.]+$/.test(text) ? text.slice(1) : text.replace("-", "−");
}

/** Ticks at multiples of 1, 2 or 5 times a power of ten, about `count` of them. */
function niceTicks(lo, hi, count) {
  const raw = (hi - lo) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let k = Math.ceil(lo / step - 1e-9); k * step <= hi + step * 1e-9; k += 1) {
    const value = k * step;
    const text = value.toFixed(digits);
    ticks.push({ value, label: Number(text) === 0 ? "0" : text.replace("-", "−") });
  }
  return ticks;
}

/** Ticks of a log axis: powers of ten, with 2 and 5 between them where the span is short. */
function logTicks(lo, hi) {
  const ticks = [];
  const within = (value) => value >= lo * 0.999 && value <= hi * 1.001;
  const between = Math.log10(hi / lo) < 2 ? [1, 2, 5] : [1];
  for (let e = Math.floor(Math.log10(lo)); e <= Math.ceil(Math.log10(hi)); e += 1) {
    for (const m of between) {
      const value = m * 10 ** e;
      const label = value >= 1 ? formatCount(value) : value.toFixed(Math.max(0, -e));
      if (within(value)) ticks.push({ value, label });
    }
  }
  return ticks;
}

/** Piecewise linear interpolation; `xs` ascends. Beyond the ends the slope of the end is kept. */
function interpolate(xs, ys, x) {
  if (xs.length < 2) return ys[0] ?? 0;
  let right = xs.findIndex((value) => value >= x);
  if (right < 0) right = xs.length - 1;
  right = Math.max(right, 1);
  const span = xs[right] - xs[right - 1];
  if (span === 0) return ys[right];
  return ys[right - 1] + ((x - xs[right - 1]) / span) * (ys[right] - ys[right - 1]);
}

/**
 * The horizontal axis that all charts share.
 * `last`: last step; `unit`: "steps" or "tokens"; `scale`: "log" or "linear";
 * `steps`, `tokens`: pairs that say how many tokens had been seen at a step.
 */
function sharedAxis({ last, unit, scale, steps, tokens, width, left, right }) {
  const place = scale === "log" ? Math.log1p : (step) => step;
  const inner = width - left - right;
  const span = place(Math.max(last, 1));
  const x = (step) => left + (place(Math.max(step, 0)) / span) * inner;
  const stepOf = unit === "tokens" ? (count) => interpolate(tokens, steps, count) : (count) => count;
  const end = unit === "tokens" ? interpolate(steps, tokens, last) : last;
  const start = unit === "tokens" ? Math.max(interpolate(steps, tokens, 1), 1) : 1;
  // Candidates in order of importance; one is labelled if it keeps its distance to those before.
  const candidates = [];
  const minor = [];
  const close = 38;
  if (scale === "linear") {
    for (const { value } of niceTicks(0, end, Math.max(2, Math.floor(inner / 90)))) {
      candidates.push(value);
    }
  } else {
    candidates.push(0);
    const decades = [];
    for (let e = Math.floor(Math.log10(start)); 10 ** e <= end; e += 1) decades.push(10 ** e);
    candidates.push(...decades, end);
    for (const multiple of [1, 2, 5, 3, 4, 6, 7, 8, 9]) {
      for (const decade of decades) {
        const value = multiple * decade;
        if (value < start || value > end) continue;
        minor.push(x(stepOf(value)));
        if (multiple === 2 || multiple === 5) candidates.push(value);
      }
    }
  }
  const ticks = [];
  for (const value of candidates) {
    const at = x(stepOf(value));
    if (ticks.every((tick) => Math.abs(tick.x - at) >= close)) {
      ticks.push({ x: at, label: formatCount(value) });
    }
  }
  return { x, ticks, minor, width, left, right: width - right, unit };
}

/** The vertical axis of one chart: from the values to pixels between `top` and `bottom`. */
function verticalAxis(values, { top, bottom, zero = false, log = false, floor }) {
  let finite = values.filter((value) => isNumber(value) && (!log || value > 0));
  if (finite.length === 0) finite = [0, 1];
  let lo = finite.reduce((a, b) => Math.min(a, b));
  let hi = finite.reduce((a, b) => Math.max(a, b));
  if (zero) [lo, hi] = [Math.min(lo, 0), Math.max(hi, 0)];
  if (isNumber(floor)) hi = Math.max(hi, floor);
  if (hi - lo < 1e-12) [lo, hi] = log ? [lo / 2, hi * 2] : [lo - 0.5, hi + 0.5];
  const count = Math.max(2, Math.floor((bottom - top) / 30));
  if (log) {
    const span = Math.log(hi / lo);
    const y = (value) => bottom - (Math.log(Math.max(value, lo) / lo) / span) * (bottom - top);
    return { y, lo, hi, ticks: logTicks(lo, hi) };
  }
  const pad = (hi - lo) * 0.05;
  if (!(zero && lo === 0)) lo -= pad;
  if (!(zero && hi === 0) && hi !== floor) hi += pad;
  const y = (value) => bottom - ((value - lo) / (hi - lo)) * (bottom - top);
  return { y, lo, hi, ticks: niceTicks(lo, hi, count) };
}
