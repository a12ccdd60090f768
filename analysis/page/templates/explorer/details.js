// Words and tables: the verdict, the best points, and all that is known of one point.

function verdictWords(data, decided) {
  return decided.simulators.map(({ name, points, best }) => {
    const known = points.filter(({ n }) => n > 0);
    const feasible = known.filter(({ p }) => p >= REGION);
    const sure = known.filter(({ low }) => low >= REGION);
    const some = data.configurations.length > 1 ? `${name}: ` : "";
    let words = `${thousands(feasible.length)} of ${thousands(known.length)} finished points meet all targets in at least half of their seeds`;
    if (data.nSeeds > 1) words += ` (${thousands(sure.length)} of them surely: the lower end of the 95 % interval is at least 0.5)`;
    if (!best.length) return [some, `${words}. No point deserves to be called best.`];
    return [some, `${words}. Best: ${pointTitle(data, best[0].point)}${best[0].p > 0 ? "" : ", which is only the nearest"}.`];
  });
}

function fillVerdict(place, data, state, decided) {
  if (!decided) return place.replaceChildren(node("p", {}, "There are no targets: add one below, and the feasible region appears."));
  const lines = verdictWords(data, decided).map(([some, words]) => node("p", {}, node("strong", {}, some), words));
  if (!sameTargets(data, state)) lines.push(node("p", { class: "soft" }, "For the targets as you have moved them; the rest of the page has those of the sweep."));
  return place.replaceChildren(...lines);
}

function fillBest(place, data, state, decided, choose) {
  const shown = decided ? shownConfigurations(data, state).flatMap((configuration) => decided.simulators[configuration].best.slice(0, N_MARKED)) : [];
  if (!shown.length) return place.replaceChildren(node("p", {}, decided ? "None." : "Best points need targets."));
  const several = data.configurations.length > 1;
  const axes = data.dimensions.flatMap((dimension, number) => dimension.axes.map((axis) => ({ axis, number })));
  const titles = [{ text: "" }, ...(several ? [{ text: "simulator" }] : []), ...axes.map(({ axis }) => ({ text: axis.key, numeric: true })),
    { text: "P", numeric: true }, { text: "95 %" }, { text: "margin", numeric: true }, { text: "loss", numeric: true }];
  const rows = shown.map((one) => {
    const cells = [...axes.map(({ axis, number: at }) => axis.labels[data.cells[at][one.point]]), number(one.p, 2)];
    const rank = decided.simulators[one.configuration].best.indexOf(one) + 1;
    const show = node("button", { type: "button", "aria-label": `show ${pointTitle(data, one.point)}`, onclick: () => choose(one.point) }, `★ ${rank}`);
    return node("tr", { class: one.point === state.point ? "chosen" : "" }, node("td", {}, show),
      ...(several ? [node("td", {}, data.configurations[one.configuration])] : []),
      ...cells.map((text) => node("td", { class: "number" }, text)), node("td", {}, `${number(one.low, 2)} to ${number(one.high, 2)}`),
      node("td", { class: "number" }, number(one.margin, 2)), node("td", { class: "number" }, number(one.loss, 3)));
  });
  return place.replaceChildren(tableOf(titles, rows));
}

function shownConfigurations(data, state) {
  return state.simulator === "all" ? [...data.configurations.keys()] : [data.configurations.indexOf(state.simulator)];
}

// Of the point that was chosen, else of the best one
function fillDetail(place, data, state, decided, best, close) {
  const point = state.point ?? best?.point ?? null;
  if (point === null) return place.replaceChildren();
  const toml = () => parametersToml(data, point);
  const shown = shownConfigurations(data, state);
  const several = shown.length > 1;
  const titles = [{ text: "statistic" }, ...(several ? [{ text: "simulator" }] : []), { text: "mean", numeric: true }, { text: "± SD", numeric: true }, { text: "seeds" }];
  const rowsOf = (columns) => columns.flatMap((column) => shown.map((configuration) => statisticRow(data, state, point, column, configuration, several)));
  const main = data.columns.filter((column) => isMain(state, column)), others = data.columns.filter((column) => !isMain(state, column));
  const tables = [node("div", { class: "scroll" }, tableOf(titles, rowsOf(main)))];
  if (others.length)
    tables.push(node("details", { id: "explorer-more", open: document.getElementById("explorer-more")?.open ?? false },
      node("summary", {}, `${others.length} more columns: spreads, quantiles and the like`), node("div", { class: "scroll" }, tableOf(titles, rowsOf(others)))));
  const chances = decided ? shown.map((configuration) => node("p", {}, several ? node("strong", {}, `${data.configurations[configuration]}: `) : "",
    chanceText(decided.simulators[configuration].points[point]))) : [];
  const buttons = [copyButton("Copy [parameters]", toml)];
  if (state.point !== null) buttons.push(node("button", { type: "button", onclick: close }, "Close"));
  place.replaceChildren(
    node("h3", {}, `${state.point === null ? "Best point" : "Chosen point"}: ${pointTitle(data, point)}`), ...chances,
    node("pre", {}, toml()), node("div", { class: "explorer-buttons" }, ...buttons), ...rasterFigures(data, point, shown), ...tables,
  );
  return drawRasters(place);
}

// What is on the map, what has a target, and of every statistic the column that bears its name
function isMain(state, column) {
  return column.main || column.name === state.column || state.targets.some((target) => target.column === column.name);
}

function statisticRow(data, state, point, column, configuration, named) {
  const { mean, sd, state: is } = summarise(data, column, configuration, point);
  const target = state.targets.find((one) => one.column === column.name);
  const [low, high] = target ? boundsOf(target) : [-Infinity, Infinity];
  const missed = target && !(mean >= low && mean <= high);
  const title = withUnit(column.name, column.unit) + (target ? (missed ? " ✗" : " ✓") : "");
  return node("tr", {}, node("td", { title: column.doc, class: missed ? "missed" : "" }, title), ...(named ? [node("td", {}, data.configurations[configuration])] : []),
    node("td", { class: "number" }, is === "value" || is === "silent" ? number(mean) : STATES[is][1]), node("td", { class: "number" }, number(sd, 2)),
    node("td", {}, seedsText(data, column, configuration, point)));
}

function fillLegend(place, states, decided, scattered) {
  const key = (style, text) => node("span", { class: "key" }, node("span", { class: "swatch", style }), text);
  const keys = [];
  if (decided) {
    keys.push(key("border: 2px solid #000", "P ≥ 0.5"));
    keys.push(scattered ? node("span", { class: "key" }, "P ≥ 0.9 is in too many pieces to outline; the map of P shows it") : key("border: 4px double #000", "P ≥ 0.9"));
    keys.push(node("span", { class: "key" }, "★ best points, the first is the largest"));
  }
  for (const [name, [colour, words]] of Object.entries(STATES)) if (states.has(name)) keys.push(key(`background: ${colour}`, words));
  place.replaceChildren(...keys);
}
