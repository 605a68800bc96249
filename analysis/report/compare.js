"use strict";
// Sets two runs of the page side by side: what was chosen differently, and what came of it.
(() => {
  const { element, prepare } = window.alsatian;
  const source = document.getElementById("runs");
  const place = document.getElementById("compare");
  if (!source || !place) return;
  const { keys, values, models, runs } = JSON.parse(source.textContent);

  const missing = "–";
  function number(value, name) {
    if (value === undefined || value === null) return missing;
    if (/bytes/.test(name)) {
      const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
      return `${Number((value / 1e3 ** power).toPrecision(3))} ${["B", "kB", "MB", "GB", "TB"][power]}`;
    }
    if (/ s$/.test(name)) return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : String(Number(value.toPrecision(3)));
    return value.toLocaleString("en", { maximumFractionDigits: 0 });
  }

  function spread(own, name) {
    if (!own) return missing;
    const [middle, low, high, count] = own;
    const range = count > 1 && low !== high ? ` (${number(low, name)} to ${number(high, name)}, N=${count})` : ` (N=${count})`;
    return number(middle, name) + range;
  }

  function table(title, header, rows, empty) {
    const made = element("section", {}, element("h3", {}, title));
    if (!rows.length) {
      made.append(element("p", { className: "note" }, empty));
      return made;
    }
    const head = element("tr", {}, ...header.map((text) => element("th", { scope: "col" }, text)));
    const body = rows.map((row) =>
      element("tr", { className: row.marked ? "differs" : "" },
        ...row.cells.map((text, i) => element(i ? "td" : "th", i ? {} : { scope: "row" }, text))));
    const grid = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
    made.append(element("div", { className: "scroll" }, grid));
    prepare(grid);
    return made;
  }

  function configuration(a, b, names) {
    const rows = keys
      .map((key, i) => ({ cells: [key, values[a.config[i]], values[b.config[i]]] }))
      .filter((row) => row.cells[1] !== row.cells[2]);
    return table("What was chosen differently", ["setting", ...names], rows, "Nothing: settings, models, data, machine and code are equal.");
  }

  function numbers(a, b, names, title, wanted) {
    const there = [...new Set([...Object.keys(a.numbers), ...Object.keys(b.numbers)])].filter(wanted);
    const rows = there.map((name) => {
      const [one, other] = [a.numbers[name], b.numbers[name]];
      const ratio = one && other && other[0] > 0 ? `${Number((one[0] / other[0]).toPrecision(3))}×` : missing;
      const apart = one && other && (one[1] > other[2] || other[1] > one[2]);
      return { marked: apart, cells: [name, spread(one, name), spread(other, name), ratio] };
    });
    return table(title, [" ", ...names, "A over B"], rows, "Nothing was measured.");
  }

  // Of every model the last round that both scored it in; scores on equal items of equal data must be equal.
  function scores(a, b, names) {
    const last = (run, model, items) => {
      const found = run.rounds.filter(([n, own]) => own[model] !== undefined && (items === undefined || n === items));
      return found.length ? found[found.length - 1] : null;
    };
    const ids = [...new Set([...a.ranking, ...b.ranking])];
    let [shared, equal] = [0, 0];
    const rows = ids.map((model) => {
      const common = a.rounds.filter(([items, own]) => own[model] !== undefined && last(b, model, items));
      const items = common.length ? common[common.length - 1][0] : undefined;
      const [one, other] = [last(a, model, items), last(b, model, items)];
      const [x, y] = [one?.[1][model], other?.[1][model]];
      const same = items === undefined ? missing : x === y ? "equal" : "differs";
      shared += items === undefined ? 0 : 1;
      equal += same === "equal" ? 1 : 0;
      const rank = (run) => (run.ranking.includes(model) ? String(run.ranking.indexOf(model) + 1) : missing);
      const score = (value, round) => (value === undefined ? missing : `${value.toFixed(4)}${items === undefined ? ` on ${round[0].toLocaleString("en")}` : ""}`);
      return {
        marked: same === "differs",
        cells: [models[model], rank(a), rank(b), items === undefined ? missing : items.toLocaleString("en"), score(x, one), score(y, other), same],
      };
    });
    const made = table("Scores and places", ["model", "place in A", "place in B", "training items", `score in A`, `score in B`, "bits"], rows, "No model was ranked.");
    const told = shared ? `${equal} of ${shared} scores on the same training items are equal in every bit.` : "No model was scored on the same training items by both.";
    made.querySelector("h3").after(element("p", { className: "note" }, told));
    return made;
  }

  // At first two that are worth comparing: of the same models and data.
  const peers = (run) => runs.flatMap((other, i) => (other.conditions === run.conditions ? [i] : []));
  const first = runs.map(peers).find((own) => own.length > 1) ?? [0, runs.length - 1];
  const result = element("div", { id: "compared" });
  const choices = ["A", "B"].map((letter, turn) => {
    const choice = element("select", { ariaLabel: `Run ${letter}`, id: `run-${letter}` });
    const groups = new Map();
    runs.forEach((run, i) => {
      if (!groups.has(run.experiment)) groups.set(run.experiment, element("optgroup", { label: run.experiment }));
      groups.get(run.experiment).append(element("option", { value: String(i) }, run.label));
    });
    choice.append(...(groups.size > 1 ? groups.values() : [...groups.values()].flatMap((group) => [...group.children])));
    choice.value = String(first[turn]);
    choice.addEventListener("change", show);
    return choice;
  });

  function show() {
    const [a, b] = choices.map((choice) => runs[Number(choice.value)]);
    const names = ["A", "B"];
    const notes = [];
    if (a.workload !== b.workload) notes.push("Models or data differ, so that neither times nor scores say which is better.");
    else if (a.conditions !== b.conditions) notes.push("Conditions of the measurement differ, such as storage, hardware or batch size: times are not comparable.");
    const link = (letter, run) => {
      const told = element("p", {}, element("b", {}, `${letter}: `), `${run.label} `);
      if (run.record) told.append(element("a", { href: run.record }, "record"));
      return told;
    };
    const time = (name) => / s$/.test(name);
    result.replaceChildren(
      link("A", a), link("B", b), ...notes.map((text) => element("p", { className: "problems" }, text)),
      configuration(a, b, names),
      numbers(a, b, names, "Where the time went", time),
      numbers(a, b, names, "Counters and peaks", (name) => !time(name)),
      scores(a, b, names));
  }

  place.append(
    element("p", { className: "chooser" }, element("label", {}, "A ", choices[0]), element("label", {}, "B ", choices[1])), result);
  show();
})();
