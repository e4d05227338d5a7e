"use strict";
// The page is whole without this.

const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const button = (className, ...children) => make("button", { type: "button", className }, ...children);
const live = make("p", { className: "unseen", role: "status" });
const tip = make("div", { className: "tip", hidden: true });
document.body.append(live, tip);

// Theme: that of the system until another is chosen, which is remembered where that is allowed.
const THEMES = ["system", "light", "dark"];
const KEY = "temper-theme";
const remembered = () => {
  try { return localStorage.getItem(KEY); } catch { return null; }
};
const switchTheme = button("theme");
const showTheme = (theme) => {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  switchTheme.textContent = `Theme: ${theme}`;
  switchTheme.value = theme;
};
switchTheme.addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(switchTheme.value) + 1) % THEMES.length];
  try { localStorage.setItem(KEY, theme); } catch { /* for this page alone */ }
  showTheme(theme);
});
showTheme(THEMES.includes(remembered()) ? remembered() : "system");
document.querySelector(".masthead .bar").append(switchTheme);

// Commands: a button beside each; where the clipboard is closed to us the command is selected.
const select = (element) => {
  const range = document.createRange();
  range.selectNodeContents(element);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
};
for (const code of all("code.command")) {
  const copy = button("copy", "Copy");
  copy.setAttribute("aria-label", `Copy ${code.textContent}`);
  copy.addEventListener("click", async () => {
    let done = "Copied";
    try { await navigator.clipboard.writeText(code.textContent); } catch {
      select(code);
      done = document.execCommand("copy") ? "Copied" : "Selected";
    }
    copy.textContent = live.textContent = done;
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  });
  code.after(copy);
}

// Legends: each entry that is drawn becomes a switch of its series.
for (const item of all(".legend .item[data-series]")) {
  const series = item.dataset.series;
  const names = [series, `${series}-edge`, `${series}-label`].map((name) => `svg .${CSS.escape(name)}`);
  const drawn = all(names.join(), item.closest("figure"));
  if (!drawn.length) continue;
  const toggle = button("item", ...item.childNodes);
  toggle.setAttribute("aria-pressed", "true");
  toggle.addEventListener("click", () => {
    const shown = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(shown));
    for (const element of drawn) element.classList.toggle("off", !shown);
  });
  item.replaceWith(toggle);
}

// Plots: the figures of the nearest place, by pointer or arrow keys, in the words of the titles.
const tell = ([head, ...lines], x, y) => {
  tip.replaceChildren(make("b", {}, head), ...lines.map((line) => make("span", {}, line)));
  tip.hidden = false;
  tip.style.left = `${Math.max(8, Math.min(x + 14, root.clientWidth - tip.offsetWidth - 8)) + scrollX}px`;
  tip.style.top = `${Math.max(8, y - tip.offsetHeight - 12) + scrollY}px`;
};
const lines = (words) => {
  const [, head, rest] = words.match(/^(.*?): (.*)$/s) ?? [null, words, ""];
  return [head, ...rest.split(", ").filter(Boolean)];
};
const fromTable = (svg) => {
  const table = svg.closest("figure").querySelector(".data table");
  const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent);
  const [top, bottom] = svg.dataset.between.split(" ").map(Number);
  const told = (row) => [...row.cells].map((cell, column) => `${column ? `${heads[column]} ` : ""}${cell.textContent}`);
  return svg.dataset.at.split(" ").map((x, row) => ({ x: Number(x), top, bottom, told: told(table.tBodies[0].rows[row]) }));
};
const plot = (svg) => {
  const title = svg.querySelector(":scope > title");
  svg.setAttribute("aria-label", title.textContent);
  svg.removeAttribute("aria-labelledby");
  title.remove();
  const hints = new Map();
  for (const hint of all("title", svg)) {
    hints.set(hint.parentNode, lines(hint.textContent));
    hint.remove();
  }
  const places = svg.dataset.at ? fromTable(svg) : all(".hover", svg).map((strip) => {
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => strip[name].baseVal.value);
    return { x: x + width / 2, top: y, bottom: y + height, told: hints.get(strip) };
  });
  const line = document.createElementNS(svg.namespaceURI, "line");
  line.setAttribute("class", "crosshair off");
  svg.append(line);
  let current = -1;
  const leave = () => {
    tip.hidden = true;
    line.classList.add("off");
  };
  const show = (index, clientY) => {
    current = index;
    const { x, top, bottom, told } = places[index];
    for (const [name, value] of Object.entries({ x1: x, x2: x, y1: top, y2: bottom })) line.setAttribute(name, value);
    line.classList.remove("off");
    const at = new DOMPoint(x, top).matrixTransform(svg.getScreenCTM());
    tell(told, at.x, clientY ?? at.y + 40);
  };
  svg.addEventListener("pointermove", (event) => {
    const under = document.elementsFromPoint(event.clientX, event.clientY);
    const mark = under.find((element) => hints.has(element) && !element.matches(".hover"));
    if (places.length && !mark?.matches(".mark, .ring, .retried")) {
      const at = new DOMPoint(event.clientX, 0).matrixTransform(svg.getScreenCTM().inverse()).x;
      const away = places.map(({ x }) => Math.abs(x - at));
      return show(away.indexOf(Math.min(...away)), event.clientY);
    }
    leave();
    if (mark) tell(hints.get(mark), event.clientX, event.clientY);
  });
  svg.addEventListener("pointerleave", leave);
  if (!places.length) return;
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("aria-roledescription", "plot; arrow keys read its values");
  const moves = { ArrowLeft: () => current - 1, ArrowRight: () => current + 1, Home: () => 0, End: () => Infinity };
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(Math.max(0, Math.min(places.length - 1, moves[event.key]())));
    live.textContent = places[current].told.join(", ");
  });
  svg.addEventListener("blur", leave);
};
for (const svg of all(".plot svg")) plot(svg);

// Tables: sorted, and filtered where they are long.
const UNITS = { "µs": 1e-6, ms: 1e-3, min: 60, MiB: 2 ** 20, GiB: 2 ** 30 };
const keyOf = (row, column) => {
  const cell = row.cells[column];
  const text = cell?.dataset.sort ?? (cell?.querySelector(".value") ?? cell)?.textContent.trim() ?? "";
  const [, figure, unit] = text.match(/^[<>±]?\s*([+-]?[\d,]*\.?\d+)\s*(\S*)/) ?? [];
  return figure === undefined ? text : Number(figure.replaceAll(",", "")) * (UNITS[unit] ?? 1);
};
const compare = (a, b) => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b);
};
for (const table of all("table.sortable")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  if (rows.length < 3) continue;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.tagName !== "TH") return;
    const sort = button("sort", ...head.childNodes);
    head.append(sort);
    sort.addEventListener("click", () => {
      const order = { ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] ?? "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      if (order !== "none") head.setAttribute("aria-sort", order);
      const sign = order === "descending" ? -1 : 1;
      const sorted = rows.map((row) => [keyOf(row, column), row]).sort(([a], [b]) => sign * compare(a, b));
      body.append(...(order === "none" ? rows : sorted.map(([, row]) => row)));
    });
  });
  if (!table.dataset.filter || rows.length < 12) continue;
  const field = make("input", { type: "search", placeholder: "Filter", ariaLabel: `Filter the ${table.dataset.filter}` });
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    live.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  });
  table.before(make("p", { className: "filter" }, field));
}

// Folded parts: opened where a link leads into one, and on paper.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", reveal);
if (location.hash) reveal();
let folded = [];
addEventListener("beforeprint", () => {
  folded = all("details:not([open])");
  for (const each of folded) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of folded) each.open = false;
});

// Contents: here.
const entries = new Map(all(".contents a").map((link) => [document.getElementById(link.hash.slice(1)), link]));
const seen = new Set();
const watch = new IntersectionObserver((changes) => {
  for (const change of changes) seen[change.isIntersecting ? "add" : "delete"](change.target);
  const first = [...entries.keys()].find((section) => seen.has(section) && section.getBoundingClientRect().bottom > 80);
  for (const [section, link] of entries) link.ariaCurrent = section === first ? "true" : null;
}, { rootMargin: "0px 0px -60%" });
for (const section of entries.keys()) if (section) watch.observe(section);
