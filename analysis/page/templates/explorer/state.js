// What the explorer shows, and how a link says it.

function firstState(data) {
  const columns = data.columns.map((column) => column.name);
  return {
    column: data.targets.length ? "P" : columns[0],
    later: null, // a column that a link asks for, of a run whose first rows are still to come
    simulator: data.configurations.length > 1 ? "all" : data.configurations[0],
    x: data.dimensions[0].key,
    y: data.dimensions[1]?.key ?? null,
    at: Object.fromEntries(data.dimensions.map((dimension) => [dimension.key, null])),
    point: null,
    targets: data.targets.map((target) => ({ ...target })),
  };
}

// Dimensions that are not on the map are held where the best point is, until they are moved
function heldAt(data, state, best) {
  return data.dimensions.map((dimension, number) => {
    const at = state.at[dimension.key];
    if (at !== null) return at;
    return best ? data.cells[number][best.point] : Math.floor(dimension.size / 2);
  });
}

function writeTarget(target) {
  if (target.value !== undefined) return `v${target.value}~${target.tolerance}`;
  return `${target.low ?? ""}~${target.high ?? ""}`;
}

function readTarget(column, text, weight) {
  const [first, second] = text.replace(/^v/, "").split("~").map((part) => (part === "" ? null : Number(part)));
  const target = text.startsWith("v") ? { column, weight, value: first, tolerance: second } : { column, weight, low: first, high: second };
  return targetTrouble(target) ? null : target;
}

function targetTrouble(target) {
  const [low, high] = boundsOf(target);
  if (target.value !== undefined && (target.value === null || !Number.isFinite(low) || !Number.isFinite(high) || target.tolerance < 0))
    return "needs a value and a tolerance of at least 0";
  if (Number.isNaN(low) || Number.isNaN(high)) return "is not a number";
  if (low === -Infinity && high === Infinity) return "needs a bound";
  return low <= high ? "" : "has its lower bound above its upper one";
}

function sameTargets(data, state) {
  const text = (targets) => targets.map((target) => `${target.column}=${writeTarget(target)}`).join("&");
  return text(data.targets) === text(state.targets);
}

function writeHash(data, state) {
  const words = new URLSearchParams();
  const first = firstState(data);
  for (const key of ["column", "simulator", "x", "y", "point"])
    if (state[key] !== first[key]) words.set(key, state[key]);
  if (state.later) words.set("column", state.later);
  for (const [key, at] of Object.entries(state.at)) if (at !== null) words.set(`at.${key}`, at);
  if (!sameTargets(data, state)) {
    words.set("targets", state.targets.length);
    for (const target of state.targets) words.set(`target.${target.column}`, writeTarget(target));
  }
  const text = words.toString();
  return text ? `#explorer?${text}` : "";
}

function readHash(data, hash) {
  const state = firstState(data);
  if (!hash.startsWith("#explorer?")) return state;
  const words = new URLSearchParams(hash.slice("#explorer?".length));
  const keys = data.dimensions.map((dimension) => dimension.key);
  const allowed = { column: ["P", ...Object.keys(data.column)], simulator: ["all", ...data.configurations], x: keys, y: keys };
  for (const [key, choices] of Object.entries(allowed)) if (choices.includes(words.get(key))) state[key] = words.get(key);
  const column = words.get("column");
  if (column && !allowed.column.includes(column) && document.getElementById("live")) state.later = column;
  if (state.x === state.y) state.y = keys.find((key) => key !== state.x) ?? null;
  for (const dimension of data.dimensions) {
    const at = Number(words.get(`at.${dimension.key}`) ?? NaN);
    if (Number.isInteger(at) && at >= 0 && at < dimension.size) state.at[dimension.key] = at;
  }
  const point = Number(words.get("point") ?? NaN);
  if (Number.isInteger(point) && point >= 0 && point < data.nPoints) state.point = point;
  if (words.has("targets")) state.targets = [...words].flatMap(([key, text]) => targetOfWord(data, key, text));
  if (state.column === "P" && !state.targets.length) state.column = data.columns[0].name;
  return state;
}

function targetOfWord(data, key, text) {
  const column = key.slice("target.".length);
  if (!key.startsWith("target.") || !(column in data.column)) return [];
  const weight = data.targets.find((target) => target.column === column)?.weight ?? 1;
  return [readTarget(column, text, weight)].filter(Boolean);
}

// Within a notebook a page has no address of its own
function keepHash(text) {
  try {
    history.replaceState(null, "", text || location.pathname + location.search);
  } catch {
    // about:srcdoc: the state lives as long as the page
  }
}
