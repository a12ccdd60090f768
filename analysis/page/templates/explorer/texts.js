// Numbers and names as people read them; nodes of the page.

function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const text = Number(value.toPrecision(digits));
  const size = Math.abs(text);
  return (size && (size < 1e-4 || size >= 1e6) ? text.toExponential() : String(text)).replace("-", "−");
}

function thousands(value) {
  return value.toLocaleString("en-US");
}

function withUnit(name, unit) {
  return unit ? `${name} (${unit})` : name;
}

function columnTitle(data, name) {
  return name === "P" ? "P(all targets met)" : withUnit(name, data.column[name].unit);
}

function axisTitle(dimension) {
  return dimension.axes.map((axis) => withUnit(axis.key, axis.unit)).join(", ");
}

function labelAt(dimension, index) {
  return dimension.axes.map((axis) => axis.labels[index]).join(", ");
}

function pointTitle(data, point) {
  return data.dimensions
    .flatMap((dimension, number) => dimension.axes.map((axis) => `${axis.key} = ${axis.labels[data.cells[number][point]]}`))
    .join(", ");
}

function parametersToml(data, point) {
  const lines = Object.fromEntries(data.fixed.map((axis) => [axis.key, axis]));
  data.dimensions.forEach((dimension, number) => {
    for (const axis of dimension.axes)
      lines[axis.key] = { of_network: axis.of_network, toml: axis.toml[data.cells[number][point]] };
  });
  const text = (ofNetwork) => data.order.map((key) => lines[key]).filter((line) => line.of_network === ofNetwork).map((line) => line.toml);
  const simulated = text(false);
  return ["[parameters]", ...text(true), ...(simulated.length ? ["", "[simulation]", ...simulated] : [])].join("\n");
}

function targetsToml(targets) {
  const lines = targets.map((target) => {
    const words = target.value !== undefined
      ? [`value = ${target.value}`, `tolerance = ${target.tolerance}`]
      : [target.low === null ? "" : `min = ${target.low}`, target.high === null ? "" : `max = ${target.high}`];
    if (target.weight !== 1) words.push(`weight = ${target.weight}`);
    return `${target.column} = { ${words.filter(Boolean).join(", ")} }`;
  });
  return ["[targets]", ...lines].join("\n");
}

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function tableOf(titles, rows) {
  const head = node("tr", {}, ...titles.map(({ text, numeric }) => node("th", { scope: "col", class: numeric ? "number" : "" }, text)));
  return node("table", {}, node("thead", {}, head), node("tbody", {}, ...rows));
}

function copyButton(title, text) {
  const button = node("button", { type: "button" }, title);
  button.addEventListener("click", async () => {
    button.textContent = (await copied(text())) ? "Copied" : "Could not copy";
    setTimeout(() => (button.textContent = title), 1500);
  });
  return button;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = node("textarea", { class: "visually-hidden" });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy"); // where there is no clipboard, in a frame say
    field.remove();
    return done;
  }
}
