// Maps: one for each simulator, cells by rank, the feasible region drawn along the edges of its cells.

const STATES = {
  silent: ["#b8bec6", "silent"],
  undefined: ["#dfe3e8", "fired, but undefined"],
  diverged: ["#7b4fa3", "diverged"],
  failed: ["#1b1f24", "failed"],
  missing: ["#ffffff", "not there yet"],
};
const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
// The middle, pale yellow, is what lies within a target
const BELOW = ["#313695", "#4575b4", "#74add1", "#abd9e9", "#e0f3f8"];
const ABOVE = ["#fee090", "#fdae61", "#f46d43", "#d73027", "#a50026"];
const WITHIN = "#ffffbf";
const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false };
const FONT = { family: 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif', size: 12, color: "#1b1f24" };
const N_MARKED = 5;
const MOST_PIECES = 12; // of an outline, as on the figures

function evenly(colours, low = 0, high = 1) {
  return colours.map((colour, i) => [low + ((high - low) * i) / (colours.length - 1), colour]);
}

// Ends of the colours: a few cells far above all others do not set them
function limitsOf(values) {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  if (!sorted.length) return [0, 1];
  const low = sorted[0];
  let high = sorted[sorted.length - 1];
  const usual = sorted[Math.floor(0.98 * (sorted.length - 1))];
  if (low >= 0 && usual > 0 && high > 3 * usual) high = usual;
  if (low === high) return [low - 0.5, high + 0.5];
  return [low >= 0 && low < 0.25 * high ? 0 : low, high];
}

function coloursOf(column, values, target) {
  if (column === "P") return { low: 0, high: 1, scale: evenly(CIVIDIS) };
  let [low, high] = limitsOf(values);
  if (!target) return { low, high, scale: evenly(VIRIDIS) };
  const bounds = boundsOf(target);
  const finite = bounds.filter(Number.isFinite);
  const room = 0.05 * Math.max(high - low, Math.max(...finite) - Math.min(...finite), 1e-9);
  [low, high] = [Math.min(low, Math.min(...finite) - room), Math.max(high, Math.max(...finite) + room)];
  const [from, to] = bounds.map((bound) => Math.min(1, Math.max(0, (bound - low) / (high - low))));
  const scale = [];
  if (from > 0) scale.push(...evenly(BELOW, 0, from));
  scale.push([from, WITHIN], [to, WITHIN]);
  if (to < 1) scale.push(...evenly(ABOVE, to, 1));
  return { low, high, scale };
}

// The points on the map, by row (y) and column (x)
function sliceOf(data, state, held) {
  const x = data.dimensions.findIndex((dimension) => dimension.key === state.x);
  const y = data.dimensions.findIndex((dimension) => dimension.key === state.y);
  const rows = Array.from({ length: y < 0 ? 1 : data.dimensions[y].size }, (_, j) =>
    Array.from({ length: data.dimensions[x].size }, (_, i) => {
      const position = held.map((at, number) => (number === x ? i : number === y ? j : at));
      return data.pointAt.get(cellKey(data, position)) ?? -1;
    }),
  );
  return { x, y, rows };
}

function onSlice(data, slice, held, point) {
  return data.dimensions.every((_, number) => number === slice.x || number === slice.y || data.cells[number][point] === held[number]);
}

function cellsWithin(rows, within) {
  return rows.map((row) => row.map((point) => point >= 0 && within(point)));
}

// How many closed lines enclose cells: their parts (which edges join), and the holes in them (which corners join too)
function piecesOf(inside) {
  const height = inside.length + 2, width = inside[0].length + 2;
  const at = (place) => inside[Math.floor(place / width) - 1]?.[(place % width) - 1] ?? false;
  const seen = new Uint8Array(width * height);
  const edges = [1, -1, width, -width], corners = [...edges, width + 1, width - 1, -width - 1, 1 - width];
  let pieces = -1; // the outside is no hole
  for (let start = 0; start < seen.length; start++) {
    if (seen[start]) continue;
    pieces += 1;
    const kind = at(start), open = [start];
    seen[start] = 1;
    while (open.length) {
      const place = open.pop(), column = place % width;
      for (const step of kind ? edges : corners) {
        const next = place + step;
        if (next < 0 || next >= seen.length || Math.abs((next % width) - column) > 1 || seen[next] || at(next) !== kind) continue;
        seen[next] = 1;
        open.push(next);
      }
    }
  }
  return pieces;
}

function surePieces(decided, configuration, slice) {
  const { points } = decided.simulators[configuration];
  return piecesOf(cellsWithin(slice.rows, (point) => points[point].p >= SURE));
}

// A path along the edges between cells within and cells without
function outline(rows, within) {
  const inside = cellsWithin(rows, within);
  const at = (j, i) => inside[j]?.[i] ?? false;
  let path = "";
  for (let j = 0; j <= rows.length; j++)
    for (let i = 0; i <= rows[0].length; i++) {
      if (at(j, i) !== at(j, i - 1)) path += `M${i - 0.5},${j - 0.5}L${i - 0.5},${j + 0.5}`;
      if (at(j, i) !== at(j - 1, i)) path += `M${i - 0.5},${j - 0.5}L${i + 0.5},${j - 0.5}`;
    }
  return path;
}

// The feasible region, the chosen point and the best ones
function outlines(data, state, decided, configuration, slice, held, width) {
  const thin = Math.min(1, Math.max(0.4, width / slice.rows[0].length / 22)); // lines leave something of small cells
  const line = (path, thick, color) => ({ type: "path", path, line: { width: thick * thin, color }, layer: "above" });
  const shapes = [];
  if (decided) {
    const { points } = decided.simulators[configuration];
    const region = outline(slice.rows, (point) => points[point].p >= REGION);
    const sure = surePieces(decided, configuration, slice) > MOST_PIECES ? "" : outline(slice.rows, (point) => points[point].p >= SURE);
    shapes.push(line(region, 5, "#ffffff"), line(region, 2.2, "#000000"), line(sure, 6, "#000000"), line(sure, 2.4, "#ffffff"));
  }
  if (state.point !== null && onSlice(data, slice, held, state.point)) {
    const chosen = outline(slice.rows, (point) => point === state.point);
    shapes.push({ ...line(chosen, 6, "#ffffff"), line: { width: 6, color: "#ffffff" } }, { ...line(chosen, 3, "#d5006d"), line: { width: 3, color: "#d5006d" } });
  }
  if (decided)
    decided.simulators[configuration].best.slice(0, N_MARKED).forEach(({ point }, rank) => {
      if (onSlice(data, slice, held, point)) shapes.push(starShape(data.cells[slice.x][point], data.cells[slice.y][point], rank));
    });
  return shapes.filter(({ path }) => path);
}

function seedsText(data, column, configuration, point) {
  const found = [];
  for (let seed = 0; seed < data.nSeeds; seed++) {
    const row = rowOf(data, configuration, point, seed);
    const status = data.statuses[data.status[row]];
    if (status !== undefined) found.push(status === "ok" ? number(column.values[row], 3) : status);
  }
  return found.join(", ");
}

// Lines that say all of a cell
function hoverText(data, state, decided, configuration, point) {
  if (point < 0) return ["not asked"];
  const lines = data.dimensions.flatMap((dimension, i) =>
    dimension.axes.map((axis) => `${axis.key} = ${axis.labels[data.cells[i][point]]}${axis.unit && ` ${axis.unit}`}`),
  );
  if (state.column !== "P") {
    const column = data.column[state.column];
    const { mean, sd, state: is } = summarise(data, column, configuration, point);
    const spread = Number.isNaN(sd) ? "" : ` ± ${number(sd, 2)}`;
    lines.push(`${column.name} = ${number(mean)}${spread}${column.unit && ` ${column.unit}`}${is === "value" ? "" : ` (${STATES[is][1]})`}`);
    lines.push(`seeds: ${seedsText(data, column, configuration, point)}`);
  }
  if (decided) lines.push(chanceText(decided.simulators[configuration].points[point]));
  return lines;
}

function chanceText(point) {
  if (!point.n) return "P(all targets met): not known yet";
  return `P(all targets met) = ${number(point.p, 2)} (${point.hits} of ${point.n}; ${number(point.low, 2)} to ${number(point.high, 2)})`;
}

function cellValue(data, state, decided, configuration, point) {
  if (point < 0) return { value: NaN, is: "missing" };
  if (state.column !== "P") {
    const { mean, state: is } = summarise(data, data.column[state.column], configuration, point);
    return { value: is === "value" ? mean : NaN, is };
  }
  const { p } = decided.simulators[configuration].points[point];
  const { state: is } = summarise(data, data.columns[0], configuration, point);
  return Number.isNaN(p) ? { value: NaN, is } : { value: p, is: "value" };
}

function mapTraces(data, state, decided, configuration, slice, colours) {
  const cells = slice.rows.map((row) => row.map((point) => cellValue(data, state, decided, configuration, point)));
  const names = Object.keys(STATES);
  const traces = [
    {
      type: "heatmap", z: cells.map((row) => row.map(({ is }) => (is === "value" ? null : names.indexOf(is)))), zmin: 0, zmax: names.length - 1,
      colorscale: evenly(names.map((name) => STATES[name][0])), showscale: false, hoverinfo: "skip",
    },
    {
      type: "heatmap", z: cells.map((row) => row.map(({ value }) => (Number.isNaN(value) ? null : value))), zmin: colours.low, zmax: colours.high,
      colorscale: colours.scale, hoverinfo: "none", colorbar: { thickness: 12, outlinewidth: 0, tickfont: { size: 11 }, xpad: 6 },
    },
  ];
  return { traces, states: new Set(cells.flat().map(({ is }) => is)) };
}

// A star of a size in pixels, about its centre
function starPath(radius) {
  const corners = Array.from({ length: 10 }, (_, k) => {
    const [angle, reach] = [(k * Math.PI) / 5, k % 2 ? 0.42 * radius : radius];
    return `${(reach * Math.sin(angle)).toFixed(1)},${(reach * Math.cos(angle)).toFixed(1)}`;
  });
  return `M${corners.join("L")}Z`;
}

function starShape(x, y, rank) {
  return {
    type: "path", path: starPath(rank === 0 ? 13 : 8), xsizemode: "pixel", ysizemode: "pixel", xanchor: x, yanchor: y, fillcolor: "#ffffff",
    line: { color: "#000000", width: 1.6 }, layer: "above",
  };
}

// Round numbers where many values stand at equal distances, as on the figures; else a handful of the values
function ticksOf(dimension, room) {
  const values = dimension.axes[0].labels.map(Number), n = values.length, step = (values[n - 1] - values[0]) / (n - 1);
  const even = dimension.axes.length === 1 && n > 8 && values.every((value, i) => Math.abs(value - values[0] - i * step) <= 0.05 * Math.abs(step));
  if (even && step) {
    const reach = Math.abs(values[n - 1] - values[0]), rough = reach / Math.max(2, room - 1), scale = 10 ** Math.floor(Math.log10(rough));
    const round = [1, 2, 2.5, 5, 10].find((some) => some * scale >= rough * 0.999) * scale;
    const first = Math.ceil(Math.min(values[0], values[n - 1]) / round - 0.001);
    const shown = Array.from({ length: Math.floor(reach / round + 1.001) }, (_, i) => Number(((first + i) * round).toPrecision(6)));
    const places = shown.map((value) => [(value - values[0]) / step, value]).filter(([at]) => at >= -0.05 && at <= n - 0.95);
    return { tickvals: places.map(([at]) => at), ticktext: places.map(([, value]) => String(value).replace("-", "−")) };
  }
  const stride = Math.max(1, Math.ceil(n / room));
  const ranks = Array.from({ length: Math.ceil(n / stride) }, (_, i) => i * stride);
  return { tickvals: ranks, ticktext: ranks.map((rank) => labelAt(dimension, rank)) };
}

function rankAxis(dimension, room) {
  return {
    title: { text: axisTitle(dimension), standoff: 8 }, ...ticksOf(dimension, room),
    range: [-0.5, dimension.size - 0.5], showgrid: false, zeroline: false, ticks: "outside", ticklen: 3, tickangle: 0, automargin: true,
  };
}

function mapLayout(data, slice, width, shapes, cursor) {
  const x = data.dimensions[slice.x], y = data.dimensions[slice.y];
  const layout = {
    font: FONT, height: Math.round(Math.min(440, Math.max(300, 0.82 * width))), margin: { l: 50, r: 10, t: 8, b: 44 }, showlegend: false,
    xaxis: rankAxis(x, Math.max(3, Math.floor(width / 75))), yaxis: rankAxis(y, 9),
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "#ffffff", dragmode: width < 500 ? false : "zoom", shapes: [...shapes],
  };
  if (cursor) {
    const [i, j] = cursor;
    layout.shapes.push({ type: "rect", x0: i - 0.5, x1: i + 0.5, y0: j - 0.5, y1: j + 0.5, line: { color: "#0a58ca", width: 3 } });
  }
  return layout;
}
