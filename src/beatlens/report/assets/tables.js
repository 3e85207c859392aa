// Tables of class "sortable": a click on a heading sorts, tools above search, choose, page and save as CSV.
// Rows beyond those that a reader without scripts sees lie in the template that data-rest names.
(() => {
  "use strict";
  const AT_ONCE = 50;

  const enhance = (table) => {
    const body = table.tBodies[0];
    const rest = table.dataset.rest && document.getElementById(table.dataset.rest);
    const rows = [...body.rows, ...(rest ? rest.content.querySelectorAll("tr") : [])];
    const tools = document.querySelector(`[data-table="${table.id}"]`);
    let shown = rows;
    let page = 0;

    const text = (cell) => cell.textContent.trim();
    const show = () => {
      const last = Math.max(0, Math.ceil(shown.length / AT_ONCE) - 1);
      page = Math.min(Math.max(page, 0), last);
      const from = page * AT_ONCE;
      body.replaceChildren(...shown.slice(from, from + AT_ONCE));
      if (!tools) return;
      const to = Math.min(from + AT_ONCE, shown.length);
      const of = shown.length === rows.length ? `${rows.length}` : `${shown.length} (of ${rows.length})`;
      tools.querySelector("output").textContent = shown.length ? `${from + 1} to ${to} of ${of}` : "no row";
      for (const button of tools.querySelectorAll("[data-page]")) {
        button.hidden = last === 0;
        button.disabled = button.dataset.page < 0 ? page === 0 : page === last;
      }
    };

    // What a cell is sorted by: its number, null where that is undefined, else its text, digits in it by their value.
    const key = (cell) => {
      const given = cell.getAttribute("data-v");
      if (given !== null) return given === "" ? null : Number(given);
      return text(cell).toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
    };
    const sort = (column, ascending) => {
      const keyed = rows.map((row) => [key(row.children[column]), row]);
      const sign = ascending ? 1 : -1;
      keyed.sort(([a], [b]) => {
        if (a === null || b === null) return (a === null) - (b === null);
        return a < b ? -sign : a > b ? sign : 0;
      });
      keyed.forEach(([, row], place) => { rows[place] = row; });
      choose();
    };

    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const numbers = rows.some((row) => row.cells[column].hasAttribute("data-v"));
        const before = heading.getAttribute("aria-sort");
        const ascending = before ? before === "descending" : !numbers; // numbers: the largest first
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        page = 0;
        sort(column, ascending);
      });
    });

    const found = new Map();
    const haystack = (row) => {
      if (!found.has(row)) found.set(row, row.textContent.toLowerCase());
      return found.get(row);
    };
    const choose = () => {
      const words = tools ? tools.querySelector("[data-find]").value.toLowerCase().split(/\s+/).filter(Boolean) : [];
      const tags = tools ? [...tools.querySelectorAll("[data-choose]")].map((one) => one.value).filter(Boolean) : [];
      shown = words.length || tags.length
        ? rows.filter((row) => {
            const tagged = ` ${row.dataset.tags} `;
            return tags.every((tag) => tagged.includes(` ${tag} `)) && words.every((word) => haystack(row).includes(word));
          })
        : rows;
      show();
    };

    const save = (name) => {
      // A cell that begins like a formula gets an apostrophe, as in the files of the run.
      const quoted = (value) => `"${(/^[=+\-@\t\r]/.test(value) ? "'" : "") + value.replaceAll('"', '""')}"`;
      const lines = [headings, ...shown.map((row) => [...row.cells])].map((cells) => cells.map((cell) => quoted(text(cell))));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([lines.map((line) => line.join(",")).join("\n") + "\n"], { type: "text/csv" }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    };

    if (tools) {
      tools.hidden = false;
      const again = () => { page = 0; choose(); };
      tools.querySelector("[data-find]").addEventListener("input", again);
      for (const one of tools.querySelectorAll("[data-choose]")) one.addEventListener("change", again);
      for (const one of tools.querySelectorAll("[data-page]")) {
        one.addEventListener("click", () => { page += Number(one.dataset.page); show(); });
      }
      for (const one of tools.querySelectorAll("[data-save]")) one.addEventListener("click", () => save(one.dataset.save));
    }
    show();
  };

  for (const note of document.querySelectorAll(".unscripted")) note.remove();
  for (const table of document.querySelectorAll("table.sortable")) enhance(table);

  // On paper nothing is folded.
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details:not([open])")) {
      fold.open = true;
      fold.dataset.printed = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const fold of document.querySelectorAll("details[data-printed]")) {
      fold.open = false;
      delete fold.dataset.printed;
    }
  });
})();
