// The explorer itself: what is chosen, what is drawn, and what follows what.

const place = (name) => document.getElementById(`explorer-${name}`);

function select(title, id, choices, chosen, change) {
  const options = choices.map((choice) => {
    if (choice.group) return node("optgroup", { label: choice.group }, ...choice.options.map(([value, text]) => node("option", { value, selected: value === chosen }, text)));
    return node("option", { value: choice[0], selected: choice[0] === chosen }, choice[1]);
  });
  const field = node("select", { id: `explorer-${id}` }, ...options);
  field.addEventListener("change", () => change(field.value));
  return node("label", {}, title, field);
}

// Columns that differ in their population alone are one choice; the population is another
function familyOf(column) {
  if (!column.population) return column.name;
  return `_${column.name}_`.replace(`_${column.population}_`, "_").slice(1, -1);
}

class Explorer {
  constructor(data) {
    this.data = data;
    this.cursor = null;
    this.state = readHash(data, location.hash);
    this.decideAgain();
    this.drawAll();
    addEventListener("hashchange", () => this.follow());
  }

  follow() {
    if (location.hash && !location.hash.startsWith("#explorer?")) return;
    this.state = readHash(this.data, location.hash);
    this.decideAgain();
    this.drawAll();
  }

  decideAgain() {
    this.decided = decide(this.data, this.state.targets);
    if (!this.decided && this.state.column === "P") this.state.column = this.data.columns[0].name;
  }

  // The best point, of the simulators shown, that says where the other axes are held
  get best() {
    if (!this.decided) return null;
    const found = shownConfigurations(this.data, this.state).map((number) => this.decided.simulators[number].best[0]);
    return found.filter(Boolean).sort(comparePoints)[0] ?? null;
  }

  // Times and rows of what a raster shows, by simulator:point
  async raster(key) {
    const { times, rows } = await unpackRaster(key);
    return { times: [...times], rows: [...rows] };
  }

  set(change) {
    if ("column" in change) this.state.later = null;
    Object.assign(this.state, change);
    this.drawAll(false);
  }

  choose(point) {
    const held = Object.fromEntries(this.data.dimensions.map((dimension, number) => [dimension.key, this.data.cells[number][point]]));
    delete held[this.state.x];
    delete held[this.state.y];
    this.set({ point, at: { ...this.state.at, ...held } });
  }

  drawAll(withTargets = true) {
    this.held = heldAt(this.data, this.state, this.best);
    this.slice = sliceOf(this.data, this.state, this.held);
    this.drawControls();
    if (withTargets) this.drawTargets();
    this.drawAnswers();
    keepHash(writeHash(this.data, this.state));
  }

  drawAnswers() {
    fillVerdict(place("verdict"), this.data, this.state, this.decided);
    fillBest(place("best"), this.data, this.state, this.decided, (point) => this.choose(point));
    fillDetail(place("detail"), this.data, this.state, this.decided, this.best, () => this.set({ point: null }));
    this.drawMaps();
    clearTimeout(this.later); // while a slider moves the maps come first
    this.later = setTimeout(() => this.drawParallel(), 100);
  }

  drawControls() {
    const { data, state } = this;
    const focused = document.activeElement?.id;
    const fields = [...this.columnFields()];
    if (data.configurations.length > 1)
      fields.push(select("simulator", "simulator", [["all", "all, side by side"], ...data.configurations.map((name) => [name, name])], state.simulator, (simulator) => this.set({ simulator })));
    if (data.dimensions.length > 1)
      for (const way of ["x", "y"])
        fields.push(select(`${way} axis`, way, data.dimensions.map((dimension) => [dimension.key, dimension.key]), state[way], (key) => this.turn(way, key)));
    data.dimensions.forEach((dimension, number) => {
      if (number !== this.slice.x && number !== this.slice.y) fields.push(this.sliceField(dimension, number));
    });
    place("controls").replaceChildren(...fields);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  *columnFields() {
    const { data, state } = this;
    const families = new Map();
    for (const column of data.columns) families.set(familyOf(column), [...(families.get(familyOf(column)) ?? []), column]);
    const family = state.column === "P" ? "P" : familyOf(data.column[state.column]);
    const population = state.column === "P" ? null : data.column[state.column].population;
    const groups = new Map();
    for (const [name, [first]] of families) groups.set(first.statistic, [...(groups.get(first.statistic) ?? []), [name, name]]);
    const choices = [...groups].map(([group, options]) => (options.length > 1 ? { group, options } : options[0]));
    if (this.decided) choices.unshift(["P", "P(all targets met)"]);
    yield select("statistic", "column", choices, family, (name) => {
      const members = families.get(name) ?? [{ name: "P" }];
      this.set({ column: (members.find((column) => column.population === population) ?? members[0]).name });
    });
    const members = families.get(family) ?? [];
    if (members.length > 1)
      yield select("population", "population", members.map((column) => [column.name, column.population]), state.column, (column) => this.set({ column }));
  }

  turn(way, key) {
    const other = way === "x" ? "y" : "x";
    const change = { [way]: key };
    if (this.state[other] === key) change[other] = this.state[way];
    this.cursor = null;
    this.set(change);
  }

  sliceField(dimension, number) {
    const id = `explorer-at-${dimension.key}`;
    const value = this.held[number];
    const slider = node("input", { type: "range", id, min: 0, max: dimension.size - 1, step: 1, value, "aria-valuetext": labelAt(dimension, value) });
    slider.addEventListener("input", () => this.set({ at: { ...this.state.at, [dimension.key]: Number(slider.value) } }));
    return node("label", {}, node("span", {}, `${axisTitle(dimension)} = `, node("output", { for: id }, labelAt(dimension, value))), slider);
  }

  drawTargets() {
    fillTargets(place("targets"), this.data, this.state, {
      moved: (trouble) => this.targetsMoved(trouble),
      replaced: (targets) => {
        this.state.targets = targets;
        this.decideAgain();
        this.drawAll();
      },
    });
  }

  targetsMoved(trouble) {
    const note = place("target-trouble");
    note.hidden = !trouble;
    note.textContent = trouble;
    if (trouble || this.waiting) return;
    this.waiting = true; // a slider moves more often than a screen is drawn
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.state.targets.some((target) => targetTrouble(target))) return;
      this.decideAgain();
      this.drawAll(false);
    });
  }

  drawMaps() {
    const { data, state } = this;
    const shown = shownConfigurations(data, state);
    const old = [...place("maps").children];
    const kept = old.length === shown.length ? old : shown.map((configuration) => this.newMap(configuration));
    if (kept !== old) {
      old.forEach((one) => Plotly.purge(one.lastChild));
      place("maps").replaceChildren(...kept);
    }
    const target = state.targets.find(({ column }) => column === state.column);
    const colours = coloursOf(state.column, state.column === "P" ? [] : this.cellMeans(shown), target);
    const states = new Set();
    shown.forEach((configuration, i) => {
      const plot = kept[i].lastChild;
      plot.configuration = configuration;
      kept[i].firstChild.textContent = `${columnTitle(data, state.column)}${data.configurations.length > 1 ? `, ${data.configurations[configuration]}` : ""}`;
      plot.setAttribute("aria-label", `Map of ${kept[i].firstChild.textContent}; arrow keys move, Enter chooses`);
      this.drawMap(plot, configuration, colours, states);
    });
    this.pieces = this.decided ? shown.map((configuration) => surePieces(this.decided, configuration, this.slice)) : [];
    fillLegend(place("legend"), states, this.decided, this.pieces.some((number) => number > MOST_PIECES));
  }

  // One scale for all simulators and slices
  cellMeans(shown) {
    const column = this.data.column[this.state.column];
    return shown.flatMap((configuration) => Array.from({ length: this.data.nPoints }, (_, point) => {
      const { mean, state } = summarise(this.data, column, configuration, point);
      return state === "value" ? mean : NaN;
    }));
  }

  newMap(configuration) {
    const plot = node("div", { class: "explorer-plot", tabindex: "0", role: "application" });
    plot.configuration = configuration;
    plot.addEventListener("keydown", (event) => this.keyPressed(event, plot));
    plot.addEventListener("blur", () => this.cursor && this.moveCursor(plot, null));
    return node("div", { class: "explorer-map" }, node("h4"), plot);
  }

  drawMap(plot, configuration, colours, states) {
    const { data, state, decided, slice } = this;
    const width = plot.clientWidth || 600;
    const cursor = document.activeElement === plot ? this.cursor : null;
    let traces, layout;
    if (slice.y < 0) {
      traces = curveTraces(data, state, decided, configuration, slice);
      layout = curveLayout(data, state, slice, width, cursor);
    } else {
      const drawn = mapTraces(data, state, decided, configuration, slice, colours);
      drawn.states.forEach((one) => states.add(one));
      traces = drawn.traces;
      layout = mapLayout(data, slice, width, this.outlines(plot), cursor);
    }
    Plotly.react(plot, traces, layout, CONFIG);
    if (plot.listening) return;
    plot.listening = true;
    const cellOf = (hit) => [Math.round(hit.x), this.slice.y < 0 ? 0 : Math.round(hit.y)];
    plot.on("plotly_click", ({ points: [hit] }) => this.chooseAt(...cellOf(hit)));
    plot.on("plotly_hover", ({ points: [hit], event }) => this.showTip(plot, cellOf(hit), event));
    plot.on("plotly_unhover", () => (place("tip").hidden = true));
  }

  outlines(plot) {
    return outlines(this.data, this.state, this.decided, plot.configuration, this.slice, this.held, plot.clientWidth || 600);
  }

  textAt(plot, [i, j]) {
    return hoverText(this.data, this.state, this.decided, plot.configuration, this.slice.rows[j]?.[i] ?? -1);
  }

  // Texts are made when they are asked for: thousands of them would slow every move of a slider
  showTip(plot, cell, { clientX, clientY }) {
    const tip = place("tip");
    tip.replaceChildren(...this.textAt(plot, cell).map((line) => node("div", {}, line)));
    tip.hidden = false;
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(4, Math.min(room, clientX + 14))}px`;
    tip.style.top = `${clientY + 18 + tip.offsetHeight > innerHeight ? Math.max(4, clientY - tip.offsetHeight - 12) : clientY + 18}px`;
  }

  chooseAt(i, j) {
    const point = this.slice.rows[j]?.[i] ?? -1;
    if (point >= 0) this.choose(point);
  }

  keyPressed(event, plot) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const { rows } = this.slice;
    const start = this.cursor ?? this.startOfCursor();
    if (event.key in moves) {
      const clamp = (value, size) => Math.min(size - 1, Math.max(0, value));
      const [di, dj] = this.cursor ? moves[event.key] : [0, 0];
      this.moveCursor(plot, [clamp(start[0] + di, rows[0].length), clamp(start[1] + dj, rows.length)]);
    } else if ((event.key === "Enter" || event.key === " ") && this.cursor) this.chooseAt(...this.cursor);
    else if (event.key === "Escape") this.set({ point: null });
    else return;
    event.preventDefault();
  }

  startOfCursor() {
    const point = this.state.point ?? this.best?.point ?? 0;
    return [this.data.cells[this.slice.x][point], this.slice.y < 0 ? 0 : this.data.cells[this.slice.y][point]];
  }

  moveCursor(plot, cursor) {
    this.cursor = cursor;
    const { data, state, slice } = this;
    const layout = slice.y < 0 ? curveLayout(data, state, slice, plot.clientWidth, cursor) : mapLayout(data, slice, plot.clientWidth, this.outlines(plot), cursor);
    Plotly.relayout(plot, { shapes: layout.shapes });
    place("cursor").textContent = cursor ? this.textAt(plot, cursor).join("; ") : "";
  }

  drawParallel() {
    const { data, state, decided } = this;
    const around = place("parallel");
    const axes = parallelAxes(data, state);
    if (!decided || axes.length < 3) {
      if (around.lastChild) Plotly.purge(around.lastChild);
      return around.replaceChildren();
    }
    const configuration = shownConfigurations(data, state)[0];
    const words = `The ${Math.min(N_LINES, decided.simulators[configuration].best.length)} best points${data.configurations.length > 1 ? `, ${data.configurations[configuration]}` : ""}: yellow where all seeds meet the targets`;
    if (!around.lastChild) around.append(node("h3"), node("div", { class: "explorer-plot" }));
    around.firstChild.textContent = words;
    const plot = around.lastChild;
    Plotly.react(plot, parallelTraces(data, axes, configuration, decided), parallelLayout(axes, plot.clientWidth || 600), CONFIG);
    if (!plot.listening) plot.on("plotly_click", ({ points: [hit] }) => hit.customdata !== undefined && this.choose(hit.customdata));
    plot.listening = true;
  }
}

async function loadPlotly() {
  const code = await inflate(place("plotly").textContent, "gzip");
  const script = document.createElement("script");
  script.textContent = new TextDecoder().decode(code);
  document.head.append(script);
}

async function start() {
  const header = JSON.parse(place("header").textContent);
  const [bytes] = await Promise.all([inflate(place("values").textContent, "deflate"), loadPlotly()]);
  place("root").hidden = false;
  window.gridsearchExplorer = new Explorer(readValues(header, bytes));
  document.dispatchEvent(new Event("explorer-ready"));
}

start().catch((error) => {
  const note = place("trouble");
  note.hidden = false;
  note.textContent = `The explorer could not start (${error.message}); it needs a browser of 2023 or later. The figures do not need it.`;
  console.error(error);
});
