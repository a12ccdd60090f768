// Which points meet the targets, and which are best: the rules of analysis.deciding, for targets that move.

const REGION = 0.5; // of P(all targets met)
const SURE = 0.9;

function boundsOf(target) {
  if (target.value !== undefined) return [target.value - target.tolerance, target.value + target.tolerance];
  return [target.low ?? -Infinity, target.high ?? Infinity];
}

function scaleOf(target) {
  const [low, high] = boundsOf(target);
  if (target.value !== undefined && target.tolerance) return target.tolerance;
  if (Number.isFinite(low) && Number.isFinite(high) && high > low) return (high - low) / 2;
  return Math.abs(Number.isFinite(low) ? low : high) || 1;
}

function distanceTo(target, value, low, high) {
  if (target.value !== undefined) return Math.abs(value - target.value);
  return Math.max(0, Math.max(low - value, value - high));
}

// Of every row: does it meet all targets (NaN: not known), how far inside is it, how far off
function judgeRows(data, targets) {
  const n = data.status.length;
  const met = new Float64Array(n).fill(NaN), margin = new Float64Array(n).fill(NaN), loss = new Float64Array(n).fill(NaN);
  const goals = targets.map((target) => {
    const values = data.column[target.column].values;
    // where values have seven digits, so have bounds: else one that equals its bound would miss it
    const digits = values instanceof Float32Array ? Math.fround : (x) => x;
    const [low, high] = boundsOf(target).map(digits);
    return { target, values, low, high, scale: scaleOf(target) };
  });
  const weights = targets.reduce((sum, target) => sum + target.weight, 0);
  for (let row = 0; row < n; row++) {
    const ok = data.status[row] === data.code.ok;
    if (!ok && data.status[row] !== data.code.diverged) continue;
    let inside = ok, least = Infinity, total = 0;
    for (const { target, values, low, high, scale } of goals) {
      const value = values[row];
      inside = inside && value >= low && value <= high;
      least = Math.min(least, Math.min(value - low, high - value) / scale);
      total += target.weight * (distanceTo(target, value, low, high) / scale) ** 2;
    }
    met[row] = inside ? 1 : 0;
    margin[row] = ok && !Number.isNaN(least) ? least : -Infinity;
    loss[row] = ok && !Number.isNaN(total) ? total / weights : Infinity;
  }
  return { met, margin, loss };
}

function judgePoint(data, rows, configuration, point) {
  let n = 0, hits = 0, wanted = 0, margin = Infinity, total = 0, least = Infinity, fired = false;
  for (let seed = 0; seed < data.nSeeds; seed++) {
    const row = rowOf(data, configuration, point, seed);
    wanted += data.status[row] < data.statuses.length;
    if (Number.isNaN(rows.met[row])) continue;
    n += 1;
    hits += rows.met[row];
    margin = Math.min(margin, rows.margin[row]);
    total += rows.loss[row];
    least = Math.min(least, rows.loss[row]);
    fired = fired || data.fired[row] === 1;
  }
  const [low, high] = n ? data.wilson[n][hits] : [NaN, NaN];
  const worthy = n > 0 && (hits > 0 || (fired && Number.isFinite(least)));
  return { configuration, point, n, wanted, hits, p: n ? hits / n : NaN, low, high, margin, loss: total / n, worthy };
}

// Mean P of the cells that touch a cell, along the dimensions that have distances
function neighboursOf(data, points) {
  const steps = offsets(data.dimensions);
  return points.map(({ point }) => {
    const here = positionOf(data, point);
    let sum = 0, count = 0;
    for (const step of steps) {
      const there = here.map((index, number) => index + step[number]);
      if (there.some((index, number) => index < 0 || index >= data.dimensions[number].size)) continue;
      const other = points[data.pointAt.get(cellKey(data, there))];
      if (other === undefined || Number.isNaN(other.p)) continue;
      sum += other.p;
      count += 1;
    }
    return count ? Math.round((sum / count) * 1e12) / 1e12 : NaN;
  });
}

function offsets(dimensions) {
  const all = dimensions.reduce(
    (found, dimension) => found.flatMap((step) => (dimension.numeric ? [-1, 0, 1] : [0]).map((by) => [...step, by])),
    [[]],
  );
  return all.filter((step) => step.some((by) => by !== 0));
}

// NaN last, as pandas has it
function compareNumbers(a, b) {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return a < b ? -1 : a > b ? 1 : 0;
}

function comparePoints(a, b) {
  return (
    compareNumbers(-a.low, -b.low) ||
    compareNumbers(-a.margin, -b.margin) ||
    compareNumbers(a.loss, b.loss) ||
    compareNumbers(-a.neighbours, -b.neighbours)
  );
}

// For each simulator: its points, and those of them that deserve to be ranked, best first
function decide(data, targets) {
  if (!targets.length) return null;
  const rows = judgeRows(data, targets);
  const simulators = data.configurations.map((name, configuration) => {
    const points = Array.from({ length: data.nPoints }, (_, point) => judgePoint(data, rows, configuration, point));
    neighboursOf(data, points).forEach((mean, point) => (points[point].neighbours = mean));
    return { name, points, best: points.filter((point) => point.worthy).sort(comparePoints) };
  });
  return { rows, simulators };
}
