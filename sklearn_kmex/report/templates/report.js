"use strict";
// The page is complete without scripts; this adds tabs, sorting and filters.
(() => {
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  // Tabs: the links of the table of contents, with the usual keys.
  const list = document.querySelector(".tabs");
  const tabs = [...list.querySelectorAll("a")];
  const panel = (tab) => document.getElementById(tab.hash.slice(1));
  const select = (tab) => {
    for (const one of tabs) {
      one.setAttribute("aria-selected", String(one === tab));
      one.tabIndex = one === tab ? 0 : -1;
      panel(one).hidden = one !== tab;
    }
  };
  list.setAttribute("role", "tablist");
  for (const tab of tabs) {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel(tab).id);
    panel(tab).setAttribute("role", "tabpanel");
    panel(tab).setAttribute("aria-labelledby", tab.id);
    panel(tab).tabIndex = 0;
    tab.addEventListener("click", (event) => { event.preventDefault(); select(tab); });
  }
  list.addEventListener("keydown", (event) => {
    const last = tabs.length - 1;
    const at = tabs.indexOf(event.target);
    const to = {
      ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1,
      Home: 0, End: last, " ": at,
    }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    select(tabs[to]);
    tabs[to].focus();
  });

  // Links to an element in another tab open that tab first.
  const reveal = (id) => {
    const target = id && document.getElementById(id);
    const tab = target && tabs.find((one) => panel(one).contains(target));
    if (!tab) return;
    select(tab);
    for (let one = target; one; one = one.parentElement) if (one.hidden) one.hidden = false;
    target.scrollIntoView();
  };
  document.querySelector("main").addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link) { event.preventDefault(); reveal(link.hash.slice(1)); }
  });
  select(tabs[0]);
  reveal(location.hash.slice(1));

  // Escape shrinks an enlarged picture.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const one of document.querySelectorAll(".zoom[open]")) one.open = false;
  });

  // Sorting: a button in each column header; numbers are in data-value.
  const key = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value ?? cell.textContent.trim();
    const number = value === "" ? NaN : Number(value);
    return { value, number };
  };
  const compare = (a, b) => {
    if (!Number.isNaN(a.number) && !Number.isNaN(b.number)) return a.number - b.number;
    if (Number.isNaN(a.number) !== Number.isNaN(b.number)) return Number.isNaN(a.number) ? 1 : -1;
    return a.value.localeCompare(b.value, undefined, { numeric: true });
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") === "ascending";
        for (const one of heads) one.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", ascending ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row) => ({ row, ...key(row, column) }));
        rows.sort((a, b) => (ascending ? compare(b, a) : compare(a, b)));
        body.append(...rows.map((one) => one.row));
      });
    });
  }

  // Filters: by words, and by warnings or errors.
  for (const bar of document.querySelectorAll(".filters")) {
    const root = document.getElementById(bar.dataset.for);
    const items = [...root.querySelectorAll(".item")];
    const words = make("input", { type: "search" });
    const flagged = make("input", { type: "checkbox" });
    const status = make("span", { className: "quiet" });
    status.setAttribute("role", "status");
    const what = bar.dataset.what;
    const name = what === "prototypes" ? "Only with warnings" : "Only errors";
    const apply = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const item of items) {
        const matches = wanted.every((word) => item.dataset.text.includes(word));
        item.hidden = !matches || (flagged.checked && item.dataset.flag === "0");
      }
      for (const group of root.querySelectorAll(".group")) {
        const own = [...group.querySelectorAll(".item")];
        group.hidden = own.length > 0 && own.every((item) => item.hidden);
      }
      status.textContent = `${items.filter((item) => !item.hidden).length} of ${items.length} ${what}`;
    };
    words.addEventListener("input", apply);
    flagged.addEventListener("change", apply);
    bar.append(
      make("label", {}, `Find ${what}`, words), make("label", {}, flagged, name), status,
    );
    apply();
  }
})();
