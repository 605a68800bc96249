"use strict";
// Draws the charts of a page when they come into view, and answers where people point, in pictures too.
(() => {
  const { element } = window.alsatian;
  const CONFIG = {
    font: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    view: { stroke: null },
    axis: { labelColor: "#333", titleColor: "#333", gridColor: "#e3e3e3", domainColor: "#888", tickColor: "#888", labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal" },
    text: { fontSize: 11 },
  };
  const tip = document.body.appendChild(element("div", { className: "tip", hidden: true, role: "tooltip" }));

  const facts = (told) =>
    Object.entries(told).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]);

  // Beside the pointer, inside the window.
  function point(event, told) {
    tip.replaceChildren(element("dl", {}, ...facts(told)));
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = event.clientX + 14 + width > innerWidth ? event.clientX - width - 14 : event.clientX + 14;
    const top = event.clientY + 14 + height > innerHeight ? event.clientY - height - 14 : event.clientY + 14;
    tip.style.left = `${Math.max(4, Math.min(left, innerWidth - width - 4))}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  }

  // Below the figure, where it stays, with a link to the record.
  function keep(figure, datum, told) {
    const kept = figure.querySelector(".kept");
    kept.replaceChildren(element("dl", {}, ...facts(told)));
    if (datum.record) kept.append(element("a", { href: datum.record }, "record of the run"));
    kept.hidden = false;
  }

  // Nodes of a picture: hovering or the focus answers, arrow keys go to the next one, a click keeps what it says.
  document.querySelectorAll(".spotted").forEach((picture) => {
    const spots = [...picture.querySelectorAll(".spot")];
    spots.forEach((spot, i) => {
      const told = JSON.parse(spot.dataset.tip);
      const show = () => {
        const box = spot.getBoundingClientRect();
        point({ clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }, told);
      };
      const hide = () => { tip.hidden = true; };
      for (const [event, act] of Object.entries({ pointerenter: show, focus: show, pointerleave: hide, blur: hide })) {
        spot.addEventListener(event, act);
      }
      spot.addEventListener("click", () => keep(picture.closest("figure"), spot.dataset, told));
      spot.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step || !spots[i + step]) return;
        event.preventDefault();
        [spot.tabIndex, spots[i + step].tabIndex] = [-1, 0];
        spots[i + step].focus();
      });
    });
  });

  const FORMAT = (seconds) => (seconds >= 1 ? `${seconds.toFixed(3)} s` : `${(seconds * 1e3).toFixed(3)} ms`);

  // The slices of a timeline, kept as columns to save room.
  function unpacked(data) {
    const { names, columns } = data;
    return columns.start.map((start, i) => {
      const row = { start, end: start + columns.length[i], lane: names.lane[columns.lane[i]] };
      for (const key of ["part", "model", "block"]) row[key] = columns[key][i] === null ? null : names[key][columns[key][i]];
      for (const key of ["stalled", "round", "models", "depth"]) row[key] = columns[key][i];
      return row;
    });
  }

  function slice(row) {
    const told = { part: row.part + (row.stalled ? " (waiting)" : ""), thread: row.lane };
    if (row.round !== null) told.round = row.round;
    if (row.model !== null) told.model = row.model + (row.models > 1 ? ` and ${row.models - 1} more` : "");
    if (row.block !== null) told.block = (row.depth === null ? "" : `number ${row.depth}, `) + row.block;
    told.time = `${FORMAT(row.end - row.start)}, from ${FORMAT(row.start)} to ${FORMAT(row.end)}`;
    return told;
  }

  // Moves and stretches the time shown: drag, buttons, keys, two fingers, or the wheel with Ctrl, as maps do.
  function zoomable(host, view, end) {
    let [from, to] = [0, end];
    const show = (a, b) => {
      const width = Math.min(end, Math.max(b - a, end / 20000));
      from = Math.max(0, Math.min(a, end - width));
      to = from + width;
      host.dataset.from = from;
      host.dataset.to = to;
      return view.signal("from_s", from).signal("to_s", to).runAsync();
    };
    const at = (x) => view.scale("x").invert(x - host.getBoundingClientRect().left - view.origin()[0]);
    const zoom = (factor, middle = (from + to) / 2) => show(middle - (middle - from) * factor, middle + (to - middle) * factor);
    host.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
      event.preventDefault();
      zoom(1.002 ** (event.deltaY || event.deltaX), at(event.clientX));
    }, { passive: false });
    const fingers = new Map();
    host.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, at(event.clientX));
      tip.hidden = true;
    });
    addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      const now = at(event.clientX);
      if (fingers.size === 1) {
        const moved = fingers.get(event.pointerId) - now;
        show(from + moved, to + moved);
      } else {
        const [, other] = [...fingers].find(([id]) => id !== event.pointerId);
        const [before, after] = [Math.abs(fingers.get(event.pointerId) - other), Math.abs(now - other)];
        if (after > 0 && before > 0) zoom(before / after, other);
      }
    });
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, (event) => fingers.delete(event.pointerId));
    const button = (text, label, act) => {
      const made = element("button", { type: "button", ariaLabel: label, title: label }, text);
      made.addEventListener("click", act);
      return made;
    };
    const tools = element("div", { className: "zoom" },
      button("+", "Zoom in", () => zoom(0.5)), button("−", "Zoom out", () => zoom(2)),
      button("←", "Earlier", () => show(from - (to - from) / 3, to - (to - from) / 3)),
      button("→", "Later", () => show(from + (to - from) / 3, to + (to - from) / 3)),
      button("all", "Show all", () => show(0, end)));
    host.before(tools);
    return show;
  }

  async function draw(host) {
    const spec = JSON.parse(host.querySelector("script").textContent);
    const figure = host.closest("figure");
    const timeline = spec.usermeta?.timeline;
    if (timeline) spec.data = { name: "slices", values: unpacked(timeline) };
    const told = (datum) => datum.tip ?? (timeline && datum.part ? slice(datum) : null);
    // Of a mark that the pointer leaves the value is null.
    const answer = (handler, event, item, value) => {
      const said = value && item?.datum ? told(item.datum) : null;
      if (said) point(event, said);
      else tip.hidden = true;
    };
    const stage = element("div", { className: "stage" });
    host.append(stage);
    stage.addEventListener("pointerleave", () => { tip.hidden = true; });
    const { view } = await window.vegaEmbed(stage, spec, {
      actions: false, ast: true, config: CONFIG, renderer: timeline ? "canvas" : "svg", tooltip: answer,
    });
    const show = timeline ? zoomable(stage, view, timeline.end) : null;
    view.addEventListener("click", (event, item) => {
      const datum = item?.datum;
      if (datum?.zooms) show(datum.start, datum.end);
      else if (datum && told(datum)) keep(figure, datum, told(datum));
    });
    host.view = view;
    host.dataset.drawn = "yes";
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll(".chart").forEach((host) => seen.observe(host));
  addEventListener("beforeprint", () => document.querySelectorAll(".chart:not([data-drawn])").forEach(draw));
})();
