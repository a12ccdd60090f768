// Rasters of stored spikes: unpacked when a cell is shown, every spike a dot.

const RASTER_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"];
const RASTER_HEIGHT = 230;
const unpackedRasters = new Map();
let rasterStore = null;

function rasters() {
  rasterStore ??= JSON.parse(place("rasters").textContent);
  return rasterStore;
}

async function unpackRaster(key) {
  const one = rasters().rasters[key];
  const bytes = await inflate(one.data, "deflate");
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const times = new Float64Array(one.n), rows = new Uint16Array(one.n);
  for (let i = 0, step = 0; i < one.n; i++) {
    step += words.getUint16(2 * i, true);
    times[i] = (step / 65535) * one.end;
    rows[i] = words.getUint16(2 * (one.n + i), true);
  }
  return { ...one, times, rows };
}

function rasterWords(one, name) {
  const of = one.populations.map(([population, shown, size]) => `${shown === size ? "" : `${thousands(shown)} of `}${thousands(size)} ${population}`);
  return `${name ? `${name}, ` : ""}seed ${one.seed}: ${of.join(", ")} neurons, the first ${number(one.end, 3)} ms, ${thousands(one.n)} spikes`;
}

// What can be shown of a point, and why not more
function rasterFigures(data, point, shown) {
  const { stored, rasters: packed } = rasters();
  if (!stored.length) return [node("p", { class: "soft" }, "No spikes are stored, so there is no raster: ask for them with spikes = \"sample\" or \"all\" under [record].")];
  return shown.map((configuration) => {
    const key = `${configuration}:${point}`;
    const name = data.configurations.length > 1 ? data.configurations[configuration] : "";
    if (packed[key]) {
      const words = rasterWords(packed[key], name);
      const canvas = node("canvas", { role: "img", "aria-label": `Raster of ${words}` });
      canvas.key = key;
      return node("figure", { class: "explorer-raster" }, node("figcaption", { class: "soft" }, words), canvas);
    }
    const some = name ? `${name}: ` : "";
    const words = stored.includes(key)
      ? "the spikes of this point are stored, but the page had no room for them; analysis.draw_raster shows them."
      : "no spikes of this point are stored.";
    return node("p", { class: "soft" }, some + words);
  });
}

async function drawRasters(around) {
  for (const canvas of around.querySelectorAll("canvas")) {
    if (!unpackedRasters.has(canvas.key)) unpackedRasters.set(canvas.key, await unpackRaster(canvas.key));
    if (canvas.isConnected) paintRaster(canvas, unpackedRasters.get(canvas.key));
  }
}

function paintRaster(canvas, one) {
  const width = Math.max(200, canvas.parentNode.clientWidth), dense = window.devicePixelRatio || 1;
  const [left, bottom, top] = [34, 34, 4];
  [canvas.width, canvas.height] = [width * dense, RASTER_HEIGHT * dense];
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  pen.font = `12px ${FONT.family}`;
  const n = one.populations.reduce((sum, [, shown]) => sum + shown, 0) || 1;
  const x = (time) => left + (time / one.end) * (width - left - 8);
  const y = (row) => top + (1 - (row + 0.5) / n) * (RASTER_HEIGHT - top - bottom);
  const colours = [], size = Math.min(3, Math.max(1.4, 90 / Math.sqrt(one.n + 1)));
  pen.textBaseline = "middle";
  one.populations.forEach(([name, shown], number) => {
    const base = colours.length, colour = RASTER_COLOURS[number % RASTER_COLOURS.length];
    for (let i = 0; i < shown; i++) colours.push(colour);
    pen.fillStyle = colour;
    if (shown) pen.fillText(name, 4, y(base + (shown - 1) / 2), left - 8);
    if (base && shown) {
      pen.fillStyle = "#b8bec6";
      pen.fillRect(left, y(base - 0.5), width - left - 8, 1);
    }
  });
  for (let i = 0; i < one.n; i++) {
    pen.fillStyle = colours[one.rows[i]];
    pen.fillRect(x(one.times[i]) - size / 2, y(one.rows[i]) - size / 2, size, size);
  }
  pen.fillStyle = FONT.color;
  pen.fillRect(left, RASTER_HEIGHT - bottom, width - left - 8, 1);
  const rough = one.end / Math.max(2, width / 130), scale = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((some) => some * scale >= rough) * scale;
  pen.textBaseline = "top";
  for (let time = 0; time <= one.end * 1.0001; time += step) {
    pen.fillRect(x(time), RASTER_HEIGHT - bottom, 1, 4);
    pen.textAlign = x(time) > width - 24 ? "right" : "center";
    pen.fillText(number(time, 4), Math.min(x(time), width - 2), RASTER_HEIGHT - bottom + 6);
  }
  pen.textAlign = "center";
  pen.fillText("time since the end of the warm-up (ms)", left + (width - left) / 2, RASTER_HEIGHT - 13, width - left);
}
