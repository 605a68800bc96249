"use strict";
// Tables that people can sort and filter. Without this script they are plain tables.
(() => {
  const FILTERED = 6; // rows from which on a table has a filter
  const NARROW = 3; // columns from which on rows become cards on a phone
  const SIZES = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, ms: 1e-3, s: 1, min: 60, h: 3600, d: 86400, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

  // What a cell is sorted by: the number that it starts with, in its unit; else its text. Missing ones come last.
  function value(text) {
    const found = /^[≈=±]?\s*([-−]?[\d,]*\.?\d+(?:e[-+]?\d+)?)\s*([A-Za-z]+)?/.exec(text);
    if (!found) return null;
    const unit = found[2] === undefined ? 1 : SIZES[found[2]];
    return Number(found[1].replace(/,/g, "").replace("−", "-")) * (unit ?? 1);
  }

  function sort(table, column, descending) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
    const known = rows.filter((one) => !["", "–"].includes(one.text));
    const numbers = known.every((one) => value(one.text) !== null);
    const compare = (a, b) =>
      numbers ? value(a.text) - value(b.text) : a.text.localeCompare(b.text, undefined, { numeric: true });
    known.sort((a, b) => (descending ? compare(b, a) : compare(a, b)));
    body.append(...known.map((one) => one.row), ...rows.filter((one) => !known.includes(one)).map((one) => one.row));
    [...table.tHead.rows[0].cells].forEach((cell, i) => {
      if (i === column) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // A button in every header, and on a phone, where headers are not shown, a list of them.
  function sortable(table, tools) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => {
      const button = element("button", { type: "button", className: "sort" }, ...head.childNodes);
      button.addEventListener("click", () => sort(table, i, head.getAttribute("aria-sort") === "ascending"));
      head.append(button);
    });
    const choice = element("select", { className: "sorting", ariaLabel: "Sort by" }, element("option", { value: "" }, "Sort by …"));
    heads.forEach((head, i) => {
      const name = head.textContent.trim();
      if (name) choice.append(element("option", { value: `${i} ` }, `${name} ↑`), element("option", { value: `${i} d` }, `${name} ↓`));
    });
    choice.addEventListener("change", () => {
      const [column, way] = choice.value.split(" ");
      if (column) sort(table, Number(column), way === "d");
    });
    tools.append(choice);
  }

  function filterable(table, tools) {
    const rows = [...table.tBodies[0].rows];
    const told = element("output", {}, `${rows.length} rows`);
    const field = element("input", { type: "search", placeholder: "Filter rows", ariaLabel: "Filter rows" });
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      told.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
    });
    tools.prepend(field, told);
  }

  function prepare(table) {
    if (!table.tHead || !table.tBodies.length || table.dataset.ready) return;
    table.dataset.ready = "yes";
    const heads = [...table.tHead.rows[0].cells];
    const names = heads.map((head) => head.textContent.trim());
    for (const row of table.tBodies[0].rows) {
      [...row.cells].forEach((cell, i) => {
        if (i && names[i]) cell.dataset.title = names[i];
      });
    }
    const box = table.closest(".scroll");
    if (heads.length >= NARROW) box?.classList.add("cards");
    const tools = element("div", { className: table.tBodies[0].rows.length < FILTERED ? "tools narrow" : "tools" });
    if (table.tBodies[0].rows.length > 1) sortable(table, tools);
    if (table.tBodies[0].rows.length >= FILTERED) filterable(table, tools);
    if (tools.childNodes.length) box?.before(tools);
  }

  window.alsatian = { element, prepare };
  document.querySelectorAll("table").forEach(prepare);
})();
