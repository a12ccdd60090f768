// Values of a run, unpacked: arrays over simulator, point and seed.

const KINDS = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array, float64: Float64Array };

async function inflate(text, format) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Bytes of equal significance lie together, the least significant first
function readArray(bytes, start, described) {
  const width = KINDS[described.kind].BYTES_PER_ELEMENT;
  const out = new Uint8Array(described.length * width);
  for (let byte = 0; byte < width; byte++) {
    const from = start + byte * described.length;
    for (let i = 0; i < described.length; i++) out[i * width + byte] = bytes[from + i];
  }
  return new KINDS[described.kind](out.buffer);
}

function readValues(header, bytes) {
  let start = 0;
  const arrays = header.arrays.map((described) => {
    const array = readArray(bytes, start, described);
    start += array.byteLength;
    return array;
  });
  const data = {
    ...header,
    nSeeds: header.seeds.length,
    nPoints: header.n_points,
    cells: header.cells.map((number) => arrays[number]),
    status: arrays[header.status],
    fired: arrays[header.fired],
    columns: header.columns.map((column) => ({ ...column, values: arrays[column.values], silent: arrays[column.silent] })),
  };
  data.column = Object.fromEntries(data.columns.map((column) => [column.name, column]));
  data.code = Object.fromEntries(header.statuses.map((name, code) => [name, code]));
  data.pointAt = pointsByCell(data);
  return data;
}

function cellKey(data, position) {
  return position.reduce((key, index, number) => key * data.dimensions[number].size + index, 0);
}

function positionOf(data, point) {
  return data.cells.map((cell) => cell[point]);
}

function pointsByCell(data) {
  const found = new Map();
  for (let point = 0; point < data.nPoints; point++) found.set(cellKey(data, positionOf(data, point)), point);
  return found;
}

function rowOf(data, configuration, point, seed) {
  return (configuration * data.nPoints + point) * data.nSeeds + seed;
}

// Of one cell: mean and spread over seeds, and what the cell is
function summarise(data, column, configuration, point) {
  const values = [];
  let ok = 0, silent = 0, failed = 0, diverged = 0;
  for (let seed = 0; seed < data.nSeeds; seed++) {
    const row = rowOf(data, configuration, point, seed);
    const status = data.status[row];
    failed += status === data.code.failed || status === data.code.timeout;
    diverged += status === data.code.diverged;
    if (status !== data.code.ok) continue;
    ok += 1;
    silent += column.silent[row];
    if (Number.isFinite(column.values[row])) values.push(column.values[row]);
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  let state = "missing";
  if (failed) state = "failed";
  if (diverged) state = "diverged";
  if (ok) state = "undefined";
  if (values.length) state = "value";
  if (ok && silent === ok) state = "silent";
  return { mean, sd: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : NaN, n: values.length, state };
}
