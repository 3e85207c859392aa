// Decisions on the selected beat: accept, correct, unsure. Sent to `beatlens review` where that serves the page, else
// kept in this browser and downloaded as a CSV. The page says whose beats these are by two JSON elements:
// #beatlens-review {run, bundle_sha256}, and #beatlens-record, the viewer's data.
(function () {
  "use strict";
  const beatlens = (window.beatlens = window.beatlens || {});
  const DECISIONS = "/-/decisions", NOT_A_BEAT = "none", POLL_MS = 10000;
  const COLUMNS = ["beat_id", "decision", "label", "pred", "reviewer", "time", "run", "bundle_sha256", "note"];
  const served = location.protocol === "http:";
  const [page, record] = ["beatlens-review", "beatlens-record"].map((id) =>
    JSON.parse(document.getElementById(id)?.textContent || "null"));
  if (!page || !record) return;  // nothing was predicted, so there is nothing to decide
  page.classes = record.classes.map((one) => one.id);
  page.names = Object.fromEntries(record.classes.map((one) => [one.id, one.name]));
  page.of = `${record.corpus}/${record.record}`;
  page.n_review = (record.beats.review || "").replaceAll("0", "").length;
  let beat = null;        // the selected beat, as the viewer tells it
  let choosing = false;   // after "c", until a class is chosen
  let connected = false;  // whether the server answers
  let mine = {};          // this reviewer's rows by beat id; a row may have unsaved: true, and withdrawn: true
  let others = {};        // rows of other reviewers by beat id, as the server last told
  let disputed = new Set();
  let left = null;        // {of, left} over the run, as the server counts

  // What is kept in this browser -------------------------------------------------------------------------------------

  function stored(key, value) {
    try {
      if (value === undefined) return localStorage.getItem(key);
      localStorage.setItem(key, value);
      return value;
    } catch {
      return null;  // a private window, or storage is full or forbidden
    }
  }

  const name = () => input.value.trim();
  // From files, the decisions of all pages of a run lie together, since they are downloaded together. A served page
  // keeps its own until they are saved.
  const place = () =>
    `beatlens:review:${page.run}:${page.bundle_sha256}:${name()}` + (served ? `:${page.of}` : "");
  let safe = true;  // whether this browser can keep something

  function load() {
    let there = {};
    try {
      there = JSON.parse(stored(place()) || "{}");
    } catch {
      say("What this browser kept of earlier decisions can't be read.", true);
    }
    mine = served ? Object.fromEntries(Object.entries(there).filter(([, row]) => row.unsaved)) : there;
  }

  function keep(beatId, row) {
    const there = served ? null : stored(place());
    try {
      if (there) mine = JSON.parse(there);  // another tab may have decided on other beats meanwhile
    } catch {
      // load() has said that it can't be read; it is written anew
    }
    if (row) mine[beatId] = row;
    else delete mine[beatId];
    safe = stored(place(), JSON.stringify(mine)) !== null;
  }

  // The panel --------------------------------------------------------------------------------------------------------

  function make(tag, properties, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  function button(text, key, does) {
    const node = make("button", { type: "button", onclick: does }, text, key ? " " : "", key ? make("kbd", {}, key) : "");
    if (key) node.setAttribute("aria-keyshortcuts", key);
    return node;
  }

  const input = make("input", { type: "text", maxLength: 80, autocomplete: "name", value: stored("beatlens:reviewer") || "" });
  const note = make("input", { type: "text", maxLength: 1000 });
  const going = make("input", { type: "checkbox", checked: true });
  const what = make("p", { className: "review-beat" });
  const classes = make("div", { className: "review-classes", hidden: true });
  const accept = button("Accept", "a", () => decide("accepted", beat && beat.pred));
  const correct = button("Correct…", "c", () => choose(!choosing));
  const doubt = button("Unsure", "u", () => decide("unsure", ""));
  const undo = button("Take back", "z", () => decide("", ""));
  const download = button("Download decisions (CSV)", "", () => save());
  const counts = make("p", { className: "review-counts" });
  const status = make("p", { className: "review-status" });
  status.setAttribute("role", "status");
  classes.setAttribute("role", "group");
  classes.setAttribute("aria-label", "The right class");
  const panel = make("section", { className: "review-panel" },
    make("h3", {}, "Review"), what,
    make("div", { className: "review-buttons" }, accept, correct, doubt, undo), classes,
    make("div", { className: "review-fields" },
      make("label", {}, "Reviewer ", input), make("label", {}, "Note ", note),
      make("label", {}, going, " go on to the next beat in review")),
    make("div", { className: "review-fields" }, counts, download), status);
  panel.setAttribute("aria-label", "Review");

  function title(label) {
    if (label === NOT_A_BEAT) return "no beat";
    return page.names[label] && page.names[label] !== label ? `${label}, ${page.names[label]}` : label;
  }

  function reasons(codes) {
    return codes.split(";").map((code) => (record.reasons || {})[code] || code).join(", ");
  }

  function fill_classes() {
    classes.replaceChildren(...[...page.classes, NOT_A_BEAT].map((label, place) => {
      const key = label === NOT_A_BEAT ? "0" : String(place + 1);
      const node = button(title(label), key, () => decide("corrected", label));
      node.dataset.label = label;
      return node;
    }));
  }

  function choose(on) {
    if (choosing && !on && classes.contains(document.activeElement)) correct.focus();
    choosing = on && beat !== null;
    classes.hidden = !choosing;
    for (const node of classes.children) node.disabled = !!beat && node.dataset.label === beat.pred;
    correct.setAttribute("aria-expanded", String(choosing));
    if (choosing) [...classes.children].find((node) => !node.disabled)?.focus();
  }

  function of_beat(id) {
    const row = mine[id] && !mine[id].withdrawn ? mine[id] : null;
    return [row, ...(others[id] || [])].filter(Boolean);
  }

  function say(text, bad) {
    status.textContent = text;
    status.classList.toggle("bad", !!bad);
  }

  function draw() {
    for (const node of [accept, correct, doubt]) node.disabled = !beat;
    undo.disabled = !beat || !mine[beat.beat_id] || !!mine[beat.beat_id].withdrawn;
    if (!beat) {
      what.textContent = "Select a beat to decide on it.";
    } else {
      const told = of_beat(beat.beat_id).map((row) => `${row.reviewer}: ${row.label ? title(row.label) : "unsure"}`);
      what.textContent = `${beat.beat_id} at ${Number(beat.r_time_s).toFixed(2)} s: predicted ${title(beat.pred)}` +
        (beat.review ? `, left to you${beat.reason ? ` (${reasons(beat.reason)})` : ""}` : "") +
        (told.length ? `. Decided by ${told.join("; ")}` : "") +
        (disputed.has(beat.beat_id) ? ". Reviewers differ, so the beat has no reviewed label." : ".");
    }
    const rows = Object.values(mine).filter((row) => !row.withdrawn);
    const unsaved = Object.values(mine).filter((row) => row.unsaved).length;
    const done = rows.filter((row) => row.in_review && row.beat_id.startsWith(`${page.of}/`)).length;
    const parts = [];
    if (connected && left) parts.push(`${left.left} of ${left.of} beats in review are left in this run`);
    else parts.push(`${Math.max(page.n_review - done, 0)} of ${page.n_review} beats in review are left in this record`);
    parts.push(`${rows.length} decided by you`);
    if (disputed.size) parts.push(`on ${disputed.size} reviewers differ`);
    if (connected && unsaved) parts.push(`${unsaved} not saved yet`);
    counts.textContent = parts.join("; ") + ".";
    download.disabled = rows.length === 0;
    // In sight for one who reviews; a reader's view isn't covered.
    panel.classList.toggle("deciding", beat !== null && (served || name() !== ""));
  }

  function redraw() {
    draw();
    if (beatlens.viewer && beatlens.viewer.redraw) beatlens.viewer.redraw();
  }

  // Deciding ---------------------------------------------------------------------------------------------------------

  function decide(decision, label) {
    if (!beat) return;
    if (!name()) {
      input.focus();
      say("Who reviews? Decisions carry the name.", true);
      return;
    }
    choose(false);
    if (decision === "" && !mine[beat.beat_id]) return;
    const row = {
      beat_id: beat.beat_id, decision, label, pred: beat.pred, reviewer: name(), time: new Date().toISOString(),
      run: page.run, bundle_sha256: page.bundle_sha256, note: note.value.trim(), in_review: !!beat.review,
      unsaved: served, withdrawn: decision === "", first: of_beat(beat.beat_id).length === 0,
    };
    keep(beat.beat_id, row.withdrawn && !served ? null : row);
    note.value = "";
    if (!served) say(safe ? "Kept in this browser. Download the CSV when you are done."
      : "This browser can't keep decisions: download the CSV before you leave.", !safe);
    redraw();
    send();
    if (going.checked && decision && beatlens.viewer && beatlens.viewer.next) beatlens.viewer.next({ review: true }, 1);
  }

  let sending = false;

  // One by one in the order of the decisions, so that the last one on a beat is the one that stays.
  async function send() {
    if (!served || sending) return;
    sending = true;
    try {
      for (;;) {
        const row = Object.values(mine).filter((one) => one.unsaved).sort((a, b) => (a.time < b.time ? -1 : 1))[0];
        if (!row) break;
        const fields = ["beat_id", "decision", "label", "pred", "reviewer", "note", "run", "bundle_sha256"];
        const body = JSON.stringify(Object.fromEntries(fields.map((field) => [field, row[field]])));
        const answer = await fetch(DECISIONS, {
          method: "POST", body, headers: { "Content-Type": "application/json" }, credentials: "same-origin",
        });
        const told = await answer.json();
        const same = mine[row.beat_id] && mine[row.beat_id].time === row.time;
        if (!answer.ok) {
          if (answer.status >= 500 || answer.status === 403) throw new Error(told.error);
          if (same) keep(row.beat_id, null);
          say(`Not saved, ${row.beat_id}: ${told.error}`, true);
          redraw();
          continue;
        }
        connected = true;
        if (same) keep(row.beat_id, row.withdrawn ? null : { ...row, unsaved: false });
        take(row.beat_id, told.decisions, told.disputed.includes(row.beat_id));
        // Until the server counts again, at the next poll.
        if (left && row.in_review) left.left += row.withdrawn ? (told.decisions.length ? 0 : 1) : row.first ? -1 : 0;
        say(`Saved ${row.beat_id}.` + (disputed.has(row.beat_id) ? " Another reviewer named another class." : ""),
          disputed.has(row.beat_id));
        redraw();
      }
    } catch (error) {
      say(`Not saved (${error.message}); it is tried again. You can also download the decisions.`, true);
    } finally {
      sending = false;
    }
  }

  function take(id, rows, differs) {
    others[id] = rows.filter((row) => row.reviewer !== name());
    if (differs) disputed.add(id);
    else disputed.delete(id);
  }

  async function poll() {
    if (!served || document.hidden) return;
    try {
      const answer = await fetch(`${DECISIONS}?record=${encodeURIComponent(page.of)}`, { credentials: "same-origin" });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.error);
      connected = true;
      if (page.run !== told.run || page.bundle_sha256 !== told.bundle_sha256) {
        say("This page is of another run than the server's; decisions on it are refused.", true);
      }
      if (!name() && told.reviewer) {
        input.value = told.reviewer;
        load();
      }
      left = { of: told.n_review, left: told.n_left };
      others = {};
      for (const row of told.decisions) {
        if (row.reviewer === name()) {
          if (!mine[row.beat_id]?.unsaved) mine[row.beat_id] = { ...mine[row.beat_id], ...row, unsaved: false };
        } else (others[row.beat_id] = others[row.beat_id] || []).push(row);
      }
      const there = new Set(told.decisions.filter((row) => row.reviewer === name()).map((row) => row.beat_id));
      for (const id of Object.keys(mine)) {
        if (!mine[id].unsaved && !there.has(id)) delete mine[id];  // taken back in another window
      }
      disputed = new Set(told.disputed);
      redraw();
      send();
    } catch (error) {
      connected = false;
      say(`The server doesn't answer (${error.message}). Decisions are kept in this browser.`, true);
      draw();
    }
  }

  // Download ---------------------------------------------------------------------------------------------------------

  // As beatlens.core.text_tables.neutral: no spreadsheet takes a cell for a formula, and reading undoes it.
  function neutral(text) {
    const clean = text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "\ufffd");
    const number = /^([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?( ?[A-Za-zµ%°][A-Za-zµ%°/]*)?|[+-])$/;
    return /^'*[=+\-@\t]/.test(clean) && !number.test(clean) ? `'${clean}` : clean;
  }

  function csv() {
    const cell = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const rows = Object.values(mine).filter((row) => !row.withdrawn);
    return [COLUMNS, ...rows.map((row) => COLUMNS.map((column) => neutral(row[column])))]
      .map((cells) => cells.map(cell).join(",") + "\n").join("");
  }

  function save() {
    const link = make("a", {
      href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })),
      download: `reviewed-${page.run}-${name().replace(/[^A-Za-z0-9._-]+/g, "_")}.csv`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say("Downloaded. Name the file in corpora[].reviewed of the next run.");
  }

  // Events -----------------------------------------------------------------------------------------------------------

  document.addEventListener("beatlens:beat", (event) => {
    beat = event.detail;
    choose(false);
    draw();
  });

  // In the capturing phase, so that a key that chooses a class does nothing in the viewer.
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target !== going) return;
    const key = event.key;
    let does = null;
    if (choosing) {
      const started = page.classes.filter((label) => label.toLowerCase().startsWith(key.toLowerCase()));
      const label = key === "0" ? NOT_A_BEAT : page.classes[Number(key) - 1] || (started.length === 1 ? started[0] : null);
      if (key === "Escape") does = () => choose(false);
      else if (key.length === 1 && label && label !== beat.pred) does = () => decide("corrected", label);
      else if (key.length === 1 && key !== " ") does = () => {};  // no class has this key
    } else {
      does = { a: accept, c: correct, u: doubt, z: undo }[key];
      does = does && !does.disabled ? does.click.bind(does) : null;
    }
    if (!does) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  }, true);

  let reviewer = "";
  input.addEventListener("focus", () => { reviewer = input.value; });
  input.addEventListener("change", () => {
    if (Object.values(mine).some((row) => row.unsaved)) {
      input.value = reviewer;
      say("Not all of these decisions are saved yet. Wait, then change the name.", true);
      return;
    }
    stored("beatlens:reviewer", name());
    load();
    others = {};
    redraw();
    poll();
  });
  window.addEventListener("storage", (event) => {
    if (event.key !== place()) return;
    load();
    redraw();
  });
  window.addEventListener("beforeunload", (event) => {
    const waiting = Object.values(mine).some((row) => row.unsaved);
    if (waiting || (!safe && Object.keys(mine).length)) event.preventDefault();
  });
  document.addEventListener("visibilitychange", poll);

  beatlens.review = {
    /** Tell how a beat was decided: its label by the decision, and which decision; both "" where there is none. */
    decorate(one) {
      const row = of_beat(one.beat_id)[0];
      return row ? { label: row.label, decided: row.decision } : { label: "", decided: "" };
    },
    csv,
  };

  fill_classes();
  load();
  (document.querySelector("[data-beatlens-review]") || document.body).append(panel);
  redraw();
  poll();
  if (served) setInterval(poll, POLL_MS);
})();
