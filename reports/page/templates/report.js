"use strict";

// Sliders: a custom property with the position clips both halves.
for (const input of document.querySelectorAll(".frame input[type=range]")) {
  const show = () => input.parentElement.style.setProperty("--at", `${input.value}%`);
  input.addEventListener("input", show);
  show(); // the browser may have restored another value
}

// Gallery: toggle overlays, filter images.
for (const gallery of document.querySelectorAll("[data-gallery]")) {
  const pairs = gallery.querySelector(".pairs");
  for (const box of gallery.querySelectorAll("[data-toggle]")) {
    const show = () => pairs.classList.toggle(`hide-${box.dataset.toggle}`, !box.checked);
    box.addEventListener("change", show);
    show();
  }
  const filters = [...gallery.querySelectorAll("[data-filter]")];
  const choose = () => {
    for (const pair of pairs.children) {
      pair.hidden = filters.some((each) => each.value && each.value !== pair.dataset[each.dataset.filter]);
    }
  };
  for (const each of filters) each.addEventListener("change", choose);
  choose();
}

// Tables: a click on a heading sorts by it, largest first; another click reverses. Cells without number stay last.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const numbers = [...table.tBodies].some((body) => [...body.rows].some((row) => row.cells[column].dataset.sort));
      const descending = numbers ? heading.getAttribute("aria-sort") !== "descending" : heading.getAttribute("aria-sort") === "ascending";
      const key = (row) => {
        const cell = row.cells[column];
        return numbers ? (cell.dataset.sort ? Number(cell.dataset.sort) : NaN) : cell.textContent;
      };
      for (const body of table.tBodies) {
        const rows = [...body.rows];
        rows.sort((a, b) => {
          const [x, y] = [key(a), key(b)];
          if (!numbers) return (descending ? -1 : 1) * x.localeCompare(y);
          if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
          return descending ? y - x : x - y;
        });
        body.append(...rows);
      }
      for (const each of headings) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    });
  });
}

// Unfold everything for print.
const folded = [];
addEventListener("beforeprint", () => {
  folded.push(...document.querySelectorAll("details:not([open])"));
  for (const each of folded) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of folded.splice(0)) each.open = false;
});
