// One swept axis: a curve with the seeds about it, instead of a map.

const CURVE_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"];

function curveTraces(data, state, decided, configuration, slice) {
  const points = slice.rows[0];
  const colour = CURVE_COLOURS[configuration % CURVE_COLOURS.length];
  const cells = points.map((point) => cellValue(data, state, decided, configuration, point).value);
  const traces = [];
  if (state.column !== "P") traces.push(seedDots(data, data.column[state.column], configuration, points, colour));
  traces.push({
    type: "scatter", mode: "lines+markers", x: points.map((_, i) => i), y: cells.map((value) => (Number.isNaN(value) ? null : value)),
    line: { color: colour, width: 2 }, marker: { size: 7 }, hoverinfo: "none",
  });
  if (decided) {
    const best = decided.simulators[configuration].best.slice(0, N_MARKED);
    const at = best.map(({ point }) => points.indexOf(point));
    const marker = { symbol: "star", size: best.map((_, rank) => (rank === 0 ? 20 : 12)), color: "#ffffff", line: { color: "#000000", width: 1.6 } };
    traces.push({ type: "scatter", mode: "markers", x: at, y: at.map((i) => cells[i]), marker, hoverinfo: "skip" });
  }
  return traces;
}

function seedDots(data, column, configuration, points, colour) {
  const x = [], y = [];
  points.forEach((point, i) => {
    for (let seed = 0; seed < data.nSeeds && point >= 0; seed++) {
      const row = rowOf(data, configuration, point, seed);
      if (data.status[row] === data.code.ok && Number.isFinite(column.values[row])) {
        x.push(i);
        y.push(column.values[row]);
      }
    }
  });
  return { type: "scatter", mode: "markers", x, y, marker: { color: colour, opacity: 0.45, size: 5 }, hoverinfo: "skip" };
}

function curveLayout(data, state, slice, width, cursor) {
  const layout = mapLayout(data, { x: slice.x, y: slice.x }, width, [], null);
  layout.yaxis = { title: { text: columnTitle(data, state.column) }, automargin: true, zeroline: false };
  const target = state.targets.find(({ column }) => column === state.column);
  const band = (from, to, ys, style) => layout.shapes.push({ type: "rect", x0: from, x1: to, layer: "below", ...ys, ...style });
  if (target) {
    const [low, high] = boundsOf(target);
    const far = 1e6 * Math.max(1, ...[low, high].filter(Number.isFinite).map(Math.abs));
    layout.yaxis.autorangeoptions = { include: [low, high].filter(Number.isFinite) };
    band(-0.5, slice.rows[0].length - 0.5, { y0: Math.max(low, -far), y1: Math.min(high, far) }, { fillcolor: "#009E73", opacity: 0.14, line: { width: 0 } });
  }
  const whole = { yref: "paper", y0: 0, y1: 1 };
  const at = state.point === null ? -1 : slice.rows[0].indexOf(state.point);
  if (at >= 0) band(at - 0.5, at + 0.5, whole, { line: { color: "#d5006d", width: 2 } });
  if (cursor) band(cursor[0] - 0.5, cursor[0] + 0.5, whole, { line: { color: "#0a58ca", width: 3 } });
  return layout;
}
