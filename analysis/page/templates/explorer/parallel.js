// Parallel coordinates: what the best points have in common, axes and targets side by side.

const N_LINES = 40;
const N_BEHIND = 300;

function parallelAxes(data, state) {
  const axes = data.dimensions.map((dimension, number) => ({
    title: dimension.key,
    place: (configuration, point) => (dimension.size > 1 ? data.cells[number][point] / (dimension.size - 1) : 0.5),
    say: (configuration, point) => pointTitle(data, point),
    ends: [labelAt(dimension, 0), labelAt(dimension, dimension.size - 1)],
  }));
  const more = [...state.targets.map(({ column }) => column), ...data.columns.map(({ name }) => name)];
  for (const name of [...new Set(more)].slice(0, Math.max(state.targets.length, 2))) {
    axes.push(statisticAxis(data, name, state.targets.find(({ column }) => column === name)));
  }
  return axes;
}

function statisticAxis(data, name, target) {
  const column = data.column[name];
  const ends = (column.limits ??= limitsOf(column.values));
  const [low, high] = target ? aboutTarget(ends, boundsOf(target)) : ends;
  return {
    title: name,
    place: (configuration, point) => (Math.min(high, Math.max(low, summarise(data, column, configuration, point).mean)) - low) / (high - low),
    say: (configuration, point) => `${name} = ${number(summarise(data, column, configuration, point).mean)}<br>${pointTitle(data, point)}`,
    ends: [(low > column.values.reduce(least) ? "≤ " : "") + number(low, 3), (high < column.values.reduce(most) ? "≥ " : "") + number(high, 3)],
  };
}

const least = (found, value) => (value < found || Number.isNaN(found) ? value : found);
const most = (found, value) => (value > found || Number.isNaN(found) ? value : found);

// A few points that ran away do not squash the lines that matter: the target takes a ninth of the axis at least. One that
// lies farther from all points than it could be seen beside leaves the axis as it is.
function aboutTarget([low, high], [from, to]) {
  const room = 4 * (to - from);
  const [lower, upper] = [Math.max(low, from - room), Math.min(high, to + room)];
  return Number.isFinite(room) && room > 0 && lower < upper ? [lower, upper] : [low, high];
}

function parallelTraces(data, axes, configuration, decided) {
  const { best, points } = decided.simulators[configuration];
  const step = Math.max(1, Math.ceil(points.length / N_BEHIND));
  const behind = parallelLines(axes, configuration, points.filter((_, number) => number % step === 0));
  const back = { type: "scatter", mode: "lines", ...behind, line: { color: "rgba(120,130,140,0.16)", width: 1 }, hoverinfo: "skip" };
  const byColour = Map.groupBy ? Map.groupBy(best.slice(0, N_LINES), ({ p }) => shade(CIVIDIS, p)) : new Map([[CIVIDIS[9], best.slice(0, N_LINES)]]);
  const lines = [...byColour].map(([color, ones]) => ({
    type: "scatter", mode: "lines+markers", ...parallelLines(axes, configuration, ones), line: { color, width: 2 },
    marker: { size: 6, line: { color: "#59636e", width: 0.5 } }, hoverinfo: "text",
  }));
  return [back, ...lines.reverse()];
}

// One trace of many lines, with gaps between them
function parallelLines(axes, configuration, ones) {
  const found = { x: [], y: [], text: [], customdata: [] };
  for (const one of ones) {
    const places = axes.map((axis) => axis.place(configuration, one.point));
    if (places.some(Number.isNaN)) continue;
    found.x.push(...axes.keys(), null);
    found.y.push(...places, null);
    const text = `${chanceText(one)}<br>margin ${number(one.margin, 2)}, loss ${number(one.loss, 3)}`;
    found.text.push(...axes.map(({ say }) => `${say(configuration, one.point)}<br>${text}`), null);
    found.customdata.push(...axes.map(() => one.point), null);
  }
  return found;
}

function shade(colours, share) {
  return colours[Math.min(colours.length - 1, Math.max(0, Math.round(share * (colours.length - 1))))];
}

function parallelLayout(axes, width) {
  const label = (text, x, y, anchor) => ({ text, x, y, xref: "x", yref: "paper", showarrow: false, yanchor: anchor, font: { size: 11 } });
  const narrow = width < 110 * axes.length;
  const named = (axis, i) => label(`<b>${axis.title}</b><br>${axis.ends[1]}`, i, 1.02, "bottom");
  return {
    font: FONT, height: 320, margin: { l: 50, r: 50, t: narrow ? 90 : 54, b: 34 }, showlegend: false, dragmode: false, paper_bgcolor: "rgba(0,0,0,0)",
    xaxis: { tickvals: [...axes.keys()], showticklabels: false, range: [-0.25, axes.length - 0.75], zeroline: false, gridcolor: "#59636e", fixedrange: true },
    yaxis: { visible: false, range: [-0.04, 1.04], fixedrange: true },
    annotations: axes.flatMap((axis, i) => [{ ...named(axis, i), ...(narrow ? { textangle: -40 } : {}) }, label(axis.ends[0], i, -0.02, "top")]),
    hoverlabel: { align: "left", bgcolor: "#ffffff", font: { color: "#1b1f24" } },
  };
}
