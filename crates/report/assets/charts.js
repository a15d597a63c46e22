// Which lines each chart shows, from one replica's columns. No pixel is known here.

const ORACLES = ["unigram", "bigram", "trigram", "bag_of_context", "in_context"];
const spoken = (name) => (name === "in_context" ? "in-context" : name.replaceAll("_", " "));
// Predictors of other sources: in this order, then by the number in their names (rank2, 5-gon+).
const OTHERS = ["zero", "ridge", "dmmse", "task_mean", "uniform"];
function oracleColor(name) {
  if (ORACLES.includes(name)) return `var(--oracle-${name})`;
  const place = OTHERS.indexOf(name);
  const numbered = Number(/\d+/.exec(name)?.[0] ?? 0) + 3 * (name.split("+").length - 1);
  return `var(--line-${((place < 0 ? numbered : place) % 6) + 1})`;
}

/** A line over the checkpoints, or null if the measure is not in the table. */
function column(replica, measure, look) {
  const ys = replica.values[measure];
  return ys && ys.filter(isNumber).length > 1 ? { xs: replica.steps, ys, ...look } : null;
}

/** Names of measures that start with `prefix`, without it. */
const family = (replica, prefix) =>
  Object.keys(replica.values).filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));

/** Oracles of a family in the fixed order, unknown ones last. */
function oraclesOf(replica, prefix) {
  const rank = (name) => (ORACLES.indexOf(name) + ORACLES.length + 1) % (ORACLES.length + 1);
  return family(replica, prefix).sort((a, b) => rank(a) - rank(b));
}

function lossChart(replica) {
  const { steps, loss } = replica.training;
  const series = [];
  if (steps.length > 1) {
    series.push({ name: "training batches", xs: steps, ys: loss, color: "var(--faint)", width: 1, kind: "thin" });
  }
  for (const oracle of oraclesOf(replica, "oracle_loss.")) {
    const look = { name: `${spoken(oracle)} oracle`, color: oracleColor(oracle), width: 1.2, dash: "5 4" };
    series.push(column(replica, `oracle_loss.${oracle}`, look));
  }
  family(replica, "loss.").forEach((name, i) => {
    series.push(column(replica, `loss.${name}`, { name, color: `var(--line-${(i % 6) + 1})` }));
  });
  series.push(column(replica, "loss", { name: "held out", color: "var(--ink)", width: 2, dots: 1.9 }));
  const dashed = series.some((line) => line?.dash);
  const note = dashed ? "Dashed: what each oracle itself loses on the held-out data." : "";
  return { series: series.filter(Boolean), height: 230, note };
}

function llcChart(replica) {
  const color = "var(--llc)";
  const raw = estimateSeries(replica, null, { name: "estimate ± 1.96 s.e.", color, line: false, dots: 2.2 }, 0.2);
  if (!raw) return { series: [], height: 220 };
  const series = [raw];
  const smooth = replica.smooth.llc;
  if (smooth && smooth.steps.length > 1) {
    series.push({ name: "smooth curve", xs: smooth.steps, ys: smooth.mean, color, width: 2 });
  } else {
    raw.line = true;
  }
  return { series, height: 220 };
}

function divergenceChart(replica) {
  const series = oraclesOf(replica, "divergence.").map((oracle) =>
    column(replica, `divergence.${oracle}`, { name: spoken(oracle), color: oracleColor(oracle), markLeast: true }));
  return { series: series.filter(Boolean), height: 210, zero: true };
}

function triggerChart(replica) {
  const bound = (oracle) => column(replica, `trigger_loss.repeated.${oracle}`,
    { name: `${spoken(oracle)} oracle`, color: oracleColor(oracle), width: 1.3, dash: "5 4" });
  const series = [
    bound("bag_of_context"),
    bound("in_context"),
    column(replica, "trigger_loss.first", { name: "first trigger", color: "var(--line-2)" }),
    column(replica, "trigger_loss.repeated", { name: "repeated triggers", color: "var(--ink)", width: 2, dots: 1.9 }),
  ];
  const dashed = series[0] ? "Dashed: oracles at the repeats. Below the bag of context, it is induction." : "";
  const note = dashed || "What follows a first trigger cannot be predicted, what follows a repeat can.";
  return { series: series.filter(Boolean), height: 190, zero: true, note };
}

function iclChart(replica) {
  const look = { name: "late minus early loss", color: "var(--line-1)", dots: 1.9 };
  return { series: [column(replica, "icl_score", look)].filter(Boolean), height: 130, zero: true, zeroLine: true };
}

/**
 * Colours for the few lines that stand out; the others stay grey. `curves`: name → its values in
 * every chart that shows it. Colours are given in the order of names, so that they do not jump.
 */
function standOut(curves, most, least, share = 0.4) {
  const reach = [...curves].map(([name, values]) => {
    const finite = values.filter(isNumber);
    return { name, top: finite.length ? finite.reduce((a, b) => Math.max(a, b)) : -Infinity };
  });
  reach.sort((a, b) => b.top - a.top);
  const bar = Math.max(least, share * (reach[0]?.top ?? 0));
  const chosen = reach.filter((r, i) => i < most && (r.top >= bar || i < 2)).map((r) => r.name);
  const colors = new Map();
  chosen.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  chosen.forEach((name, i) => colors.set(name, `var(--line-${i + 1})`));
  return colors;
}

const HEAD_SCORES = ["previous_token", "induction", "recurrence"];

/** Colours of heads, the same in all charts of head scores. */
function headColors(replica) {
  const curves = new Map();
  for (const score of HEAD_SCORES) {
    for (const head of family(replica, `${score}.`)) {
      curves.set(head, [...(curves.get(head) ?? []), ...replica.values[`${score}.${head}`]]);
    }
  }
  return standOut(curves, 6, 0.25);
}

/** Lines of a family, those that stand out in colour and named, the others grey behind them. */
function familySeries(replica, prefix, colors, others, name) {
  const grey = [];
  const bright = [];
  for (const key of family(replica, prefix)) {
    const color = colors.get(key);
    const look = color
      ? { name: name(key), color, end: name(key), width: 2 }
      : { name: name(key), color: "var(--faint)", width: 1.1, kind: "thin", group: others };
    const series = column(replica, prefix + key, look);
    if (series) (color ? bright : grey).push(series);
  }
  // A line that stays low in this chart is named in the key alone.
  for (const line of bright) {
    if (Math.max(...line.ys.filter(isNumber)) < 0.15) delete line.end;
  }
  // The key lists lines from the last drawn, which lies on top, to the first.
  bright.sort((a, b) => b.name.localeCompare(a.name, "en", { numeric: true }));
  return [...grey, ...bright];
}

function headChart(score) {
  return (replica) => ({
    series: familySeries(replica, `${score}.`, headColors(replica), "other heads, highest", (head) => head),
    height: 150,
    zero: true,
    floor: 1,
  });
}

function speedChart(replica) {
  const colors = { llc: "var(--llc)", loss: "var(--ink)" };
  const entries = Object.entries(replica.smooth).filter(([, curve]) => curve.speed.filter(isNumber).length > 1);
  const series = entries.map(([name, curve], i) => {
    const largest = curve.speed.filter(isNumber).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const scaled = curve.speed.map((v) => (isNumber(v) && largest > 0 ? v / largest : null));
    const oracle = name.replace(/^(divergence|cross_entropy)\./, "");
    const color = colors[name] ?? (oracle === name ? `var(--line-${(i % 6) + 1})` : oracleColor(oracle));
    return { name: name === "llc" ? "λ̂" : spoken(name).replace(".", ", "), xs: curve.steps, ys: scaled, color };
  });
  return { series, height: 190, zeroLine: true };
}

function normChart(replica) {
  const components = family(replica, "weight_norm.");
  const total = column(replica, "weight_norm", { name: "all weights", color: "var(--ink)", width: 2 });
  const curves = new Map(components.map((name) => [name, replica.values[`weight_norm.${name}`]]));
  const colors = standOut(curves, 6, 0, 0);
  const lines = familySeries(replica, "weight_norm.", colors, "other components, highest", (name) => name);
  for (const line of lines) delete line.end;
  return { series: [...lines, total].filter(Boolean), height: 200, zero: true };
}

/** One chart for each kind of composition that was measured. */
function compositionChart(kind) {
  return (replica) => {
    const prefix = `composition.${kind}.`;
    const curves = new Map(family(replica, prefix).map((pair) => [pair, replica.values[prefix + pair]]));
    const colors = standOut(curves, 3, 0);
    const lines = familySeries(replica, prefix, colors, "other pairs, highest", (pair) => pair.replace("-", "→"));
    for (const line of lines) delete line.end;
    return { series: lines, height: 140 };
  };
}

/** The charts in their order: what stands beside each, and how its lines are found. */
const CHARTS = [
  { name: "loss", title: "Loss", unit: "nats per token", make: lossChart },
  { name: "llc", title: "Local learning coefficient λ̂", make: llcChart,
    note: "How complex the network is around each checkpoint." },
  { name: "divergence", title: "Divergence from oracles", unit: "nats", make: divergenceChart,
    note: "KL from each oracle to the output. A circle marks the least value.",
    otherNote: "Mean squared distance of the output from each. A circle marks the least value." },
  { name: "triggers", title: "Loss at triggers", unit: "nats", make: triggerChart },
  { name: "icl", title: "In-context learning score", unit: "nats", make: iclChart,
    note: "Loss late in the context minus loss early in it." },
  { name: "previous_token", title: "Previous-token heads", unit: "attention", make: headChart("previous_token"),
    note: "Mean attention to the token just before." },
  { name: "induction", title: "Induction heads", unit: "attention", make: headChart("induction"),
    note: "On repeated random tokens: attention to what followed the earlier copy." },
  { name: "recurrence", title: "Heads at recurrences", unit: "attention", make: headChart("recurrence"),
    note: "The same at the source’s own repeated triggers." },
  { name: "positions", title: "Loss by position", unit: "nats", heat: true,
    note: "Position in the context from top (first) to bottom (last), on a log scale." },
];

/** Charts that wait folded below the others. */
const FOLDED = [
  { name: "speed", title: "Speed of change", unit: "share of its largest", make: speedChart,
    note: "Slope of each smooth curve by log(step + 1); boundaries are read from these." },
  { name: "weight_norm", title: "Weight norms", make: normChart, note: "Frobenius norm of each component." },
  { name: "composition", part: "q", title: "Q-composition", make: compositionChart("q"),
    note: "How much an earlier head writes into a later head’s queries." },
  { name: "composition", part: "k", title: "K-composition", make: compositionChart("k"),
    note: "The same for keys: what an induction head is built on." },
  { name: "composition", part: "v", title: "V-composition", make: compositionChart("v"),
    note: "The same for values." },
];

/**
 * One measure of every replica, for the view of all of them together. A few replicas have a colour
 * each; several arms, or many replicas, have a colour for each arm.
 */
function overlay(replicas, measure, smooth) {
  const arms = [...new Set(replicas.map((replica) => replica.arm))];
  const byArm = arms.length > 1 || replicas.length > 6;
  const series = replicas.map((replica, i) => {
    const color = `var(--line-${((byArm ? arms.indexOf(replica.arm) : i) % 6) + 1})`;
    const size = replicas.filter((other) => other.arm === replica.arm).length;
    const group = byArm ? `${replica.arm || "replicas"} (${size}), highest` : null;
    const curve = smooth ? replica.smooth[measure] : null;
    const look = { name: replica.name, color, width: byArm ? 1.2 : 1.6, group };
    return curve ? { xs: curve.steps, ys: curve.mean, ...look } : column(replica, measure, look);
  });
  return series.filter(Boolean).reverse();
}

const OVERLAYS = [
  { name: "all_loss", title: "Loss", unit: "nats per token", note: "Held out, every replica.",
    make: (replicas) => ({ series: overlay(replicas, "loss", false), height: 250 }) },
  { name: "all_llc", title: "Local learning coefficient λ̂", note: "Smooth curve of every replica.",
    make: (replicas) => ({ series: overlay(replicas, "llc", true), height: 250 }) },
];
