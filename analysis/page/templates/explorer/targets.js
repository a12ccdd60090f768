// The panel of targets: numbers and sliders that say the same.

// A step that a person would take: 1, 2 or 5 times a power of ten, some 200 over what there is
function stepOf(low, high) {
  const raw = (high - low) / 200 || 0.01;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw * 0.999);
}

function rangeOf(data, target) {
  const values = Array.from(data.column[target.column].values).filter(Number.isFinite);
  const more = boundsOf(target).filter(Number.isFinite);
  const low = Math.min(...extent(values), ...more), high = Math.max(...extent(values), ...more);
  const step = stepOf(low, high);
  return { low: Math.floor(low / step) * step, high: Math.ceil(high / step) * step, step };
}

function extent(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]).filter(Number.isFinite);
}

function newTarget(data, column) {
  const sorted = Float64Array.from(data.column[column].values).filter(Number.isFinite).sort();
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  const step = stepOf(at(0), at(1));
  const round = (value) => Number((Math.round(value / step) * step).toPrecision(10));
  return { column, weight: 1, low: round(at(0.25)), high: round(at(0.75)) };
}

function boundField(data, target, key, title, range, change) {
  const name = `${target.column} ${title}`;
  const shown = target[key] ?? "";
  const field = node("input", { type: "number", step: "any", value: shown, "aria-label": name, "data-target": target.column, "data-bound": key });
  const slider = node("input", { type: "range", min: range.low, max: range.high, step: range.step, "aria-label": `${name}, slider`, "data-slides": key });
  slider.value = target[key] ?? (key === "low" ? range.low : range.high);
  field.addEventListener("input", () => {
    if (field.value !== "") slider.value = field.value;
    change(key, field.value === "" ? null : Number(field.value), field);
  });
  slider.addEventListener("input", () => {
    field.value = Number(Number(slider.value).toPrecision(10));
    change(key, Number(field.value), field);
  });
  return node("label", { class: "bound" }, node("span", {}, title), field, slider);
}

function targetRow(data, target, moved, removed) {
  const range = rangeOf(data, target);
  const row = node("fieldset", {}, node("legend", {}, columnTitle(data, target.column)));
  const change = (key, value, field) => {
    const trouble = targetTrouble({ ...target, [key]: value });
    target[key] = value;
    for (const one of row.querySelectorAll('input[type="number"]')) one.removeAttribute("aria-invalid");
    if (trouble) field.setAttribute("aria-invalid", "true");
    moved(trouble ? `${target.column}: ${trouble}.` : "");
  };
  const wide = { low: 0, high: range.high - range.low, step: range.step };
  const fields = target.value !== undefined
    ? [["value", "value", range], ["tolerance", "±", wide]]
    : [["low", "from", range], ["high", "to", range]];
  row.append(...fields.map(([key, title, span]) => boundField(data, target, key, title, span, change)));
  row.append(node("button", { type: "button", "aria-label": `remove the target of ${target.column}`, onclick: () => removed(target) }, "Remove"));
  return row;
}

function fillTargets(form, data, state, actions) {
  const rows = state.targets.map((target) =>
    targetRow(data, target, actions.moved, (gone) => actions.replaced(state.targets.filter((one) => one !== gone))),
  );
  const free = data.columns.map(({ name }) => name).filter((name) => !state.targets.some(({ column }) => column === name));
  const choice = node("select", { "aria-label": "column of a further target" }, ...free.map((name) => node("option", {}, name)));
  const add = node("button", { type: "button", onclick: () => actions.replaced([...state.targets, newTarget(data, choice.value)]) }, "Add target");
  const reset = node("button", { type: "button", id: "explorer-reset", onclick: () => actions.replaced(data.targets.map((target) => ({ ...target }))) }, "As in the sweep");
  const buttons = node("div", { class: "explorer-buttons" }, ...(free.length ? [choice, add] : []));
  if (data.targets.length) buttons.append(reset);
  if (state.targets.length) buttons.append(copyButton("Copy [targets]", () => targetsToml(state.targets)));
  form.replaceChildren(...rows, node("p", { class: "note", id: "explorer-target-trouble", role: "alert", hidden: true }), buttons);
}
