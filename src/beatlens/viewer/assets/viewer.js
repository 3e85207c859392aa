/* The viewer of a record: signal from tiles, beats, calipers and maps on millimetre paper, drawn in uPlot's hooks. */
(() => {
"use strict";
const MM = 96 / 25.4;                 // CSS pixels of a millimetre
const MISSING = -32768, TOP_MM = 9, PRINT_MM = 250, PRINT_HEIGHT_MM = 150, PRINT_DOTS = 4 * MM;  // pixels of a millimetre of print
const NAMES_PX = 36, RIGHT_PX = 8;     // beside the signal: names of leads
const LONGEST_RAW_S = 1200;           // longer views are drawn from the overview
const SHORTEST_BAND_S = 120;          // shorter views wait for the signal: their overview would look like one
const PAPER_SPEEDS = [25, 50], GAINS = [5, 10, 20];
const SPANS = [[2, "2 s"], [10, "10 s"], [30, "30 s"], [60, "1 min"], [600, "10 min"], [3600, "1 h"], [Infinity, "all"]];
const waiting = {};
const beatlens = window.beatlens = window.beatlens || {};
beatlens.tile = (tile) => waiting[tile.name] && waiting[tile.name](tile.data);

const holder = document.getElementById("beatlens-record"), root = document.getElementById("viewer");
if (!holder || !root) return;
const data = JSON.parse(holder.textContent);
const embedded = JSON.parse((document.getElementById("beatlens-tiles") || {textContent: "null"}).textContent);
const fs = data.fs, leads = data.leads, duration = data.n / fs;

/* Decoding: see beatlens/viewer/tiles.py */
async function decode(text, nRows) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const half = planes.length / 2, n = half / nRows;
  return Array.from({length: nRows}, (_, row) => {
    const values = new Int16Array(n);
    let step = 0, value = 0;
    for (let k = 0, at = row * n; k < n; k++, at++) {
      const zigzag = planes[at] | (planes[half + at] << 8);
      step = (step + ((zigzag >>> 1) ^ -(zigzag & 1))) | 0;
      value = (value + step) | 0;
      values[k] = value;
    }
    return values;
  });
}
const differences = (steps) => { let sum = 0; return steps.map((step) => (sum += step)); };

/* Beats */
const table = data.beats, classes = data.classes, noise = classes.length;
const times = differences(table.t).map((t) => t / 1e4), samples = differences(table.r);
const classOf = Object.fromEntries(classes.map((one) => [one.id, one]));
const word = (key, k) => (table[key] ? table[key].names[table[key].of[k]] : "");
const idOf = (k) => `${data.corpus}/${data.record}/${samples[k]}`;
const inked = (id) => `color-mix(in srgb, ${colour(id)} 45%, ${style("--ink")})`;   // letters are read, so they have contrast
const colour = (id) => (classOf[id] || {colour: "#6b7280"}).colour;
const before = (t) => { let low = 0, high = times.length; while (low < high) { const k = (low + high) >> 1; if (times[k] < t) low = k + 1; else high = k; } return low; };
function nearest(t) {
  const k = before(t);
  if (!times.length) return -1;
  return k >= times.length || (k > 0 && t - times[k - 1] < times[k] - t) ? k - 1 : k;
}
function beat(k) {
  const probabilities = {};
  if (table.p) [...classes.map((one) => one.id), "noise"].forEach((id, c) => { probabilities[id] = table.p[k * (noise + 1) + c] / 1000; });
  return {beat_id: idOf(k), corpus: data.corpus, record: data.record, r_time_s: times[k], r_sample: samples[k], pred: word("pred", k),
    label: word("label", k), label_source: word("source", k), review: !!table.review && table.review[k] === "1", reason: word("reason", k), set: word("set", k), probabilities};
}
function decorated(k) {
  const one = beat(k), said = beatlens.review && beatlens.review.decorate ? beatlens.review.decorate(one) : null;
  return {letter: (said && said.label) || one.pred || "·", decided: !!(said && said.decided), review: one.review, pred: one.pred};
}

/* Tiles */
const tiles = new Map(), perTile = Math.round(data.tile_s * fs);
let overview = null;
async function load(k) {
  if (embedded) return decode(embedded[k], leads.length);
  const text = await new Promise((resolve, reject) => {
    waiting[k] = resolve;
    const script = document.createElement("script");
    script.src = `${root.dataset.tiles}/${k}.js`;
    script.onerror = () => reject(new Error(`${root.dataset.tiles}/${k}.js can't be read; the folder belongs beside this page`));
    document.head.append(script);
  });
  return decode(text, leads.length);
}
function tile(k) {
  if (!tiles.has(k)) {
    tiles.set(k, null);
    load(k).then((rows) => { tiles.set(k, rows); redraw(); }, (error) => { fault.textContent = `The signal couldn't be loaded. ${error.message || error}.`; fault.hidden = false; redraw(); });
  }
  return tiles.get(k);
}
function reach(start, span, rate, n) { return [clamp(Math.floor(start * rate) - 1, 0, n - 1), clamp(Math.ceil((start + span) * rate) + 2, 1, n)]; }
function loaded(start, span) {
  const [first, stop] = reach(start, span, fs, data.n);
  let all = true;
  for (let k = Math.floor(first / perTile); k * perTile < stop; k++) all = !!tile(k) && all;   // asks for each
  return all;
}
function millivolts(lead, t) {
  const at = t * fs, k = Math.floor(at), share = at - k;
  const of = (sample) => { const rows = sample >= 0 && sample < data.n ? tile(Math.floor(sample / perTile)) : null; return rows ? rows[lead][sample % perTile] : MISSING; };
  const one = of(k), other = of(Math.min(k + 1, data.n - 1));
  return one === MISSING || other === MISSING ? NaN : (one + share * (other - one)) * data.unit;
}

/* State */
const view = {start: 0, span: Math.min(10, duration), gain: data.gain, speed: data.speed};
let plot = null, selected = -1, calipers = null, measuring = false, chosen = {kind: -1, map: 0}, overlay = null, lanes = null, hover = null;
const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const two = (number) => String(Math.floor(number)).padStart(2, "0");
const clock = (t, digits = 0) => { const tenth = Math.round(t * 10 ** digits) / 10 ** digits, s = tenth % 60; return `${Math.floor(tenth / 3600)}:${two(tenth / 60 % 60)}:${s < 10 ? "0" : ""}${digits ? s.toFixed(digits) : Math.floor(s)}`; };

function laneSizes(gain) {
  return leads.map((_, k) => {
    const of = (row, share) => { const known = Array.from(overview[row]).filter((v) => v !== MISSING).sort((a, b) => a - b); return known.length ? known[Math.floor(share * (known.length - 1))] * data.unit : 0; };
    const up = clamp(Math.max(of(2 * k + 1, 0.95), 0.5), 0.5, 3) * gain, down = clamp(Math.max(-of(2 * k, 0.05), 0.3), 0.3, 3) * gain;
    return {up: Math.ceil(up) + 2, down: Math.ceil(down) + 1};
  });
}
function placeLanes(gain, most = Infinity) {
  const sizes = laneSizes(gain), full = sizes.reduce((sum, size) => sum + size.up + size.down, 0), share = Math.min(1, most / full);
  const total = Math.ceil(full * share / 5) * 5 + TOP_MM;
  let top = total - TOP_MM;
  const zeros = sizes.map((size) => { const zero = top - size.up * share; top -= (size.up + size.down) * share; return zero; });
  return {zeros, total};
}

/* What a view shows: x and a row a lead, at most two points a pixel */
function series(start, span, width, zeros) {
  const raw = span <= LONGEST_RAW_S, rate = raw ? fs : 1 / data.bin_s, n = raw ? data.n : overview[0].length;
  const [first, stop] = reach(start, span, rate, n);
  let rowsOf = null;
  if (raw) {
    if (!loaded(start, span)) return span > SHORTEST_BAND_S ? coarse(start, span, zeros) : [[start, start + span], ...leads.map(() => [null, null])];
    rowsOf = (lead, at) => { const v = tiles.get(Math.floor(at / perTile))[lead][at % perTile]; return [v, v]; };
  } else rowsOf = (lead, at) => [overview[2 * lead][at], overview[2 * lead + 1][at]];
  const group = Math.max(1, Math.floor((stop - first) / (2 * width))), x = [], ys = leads.map(() => []);
  const each = raw && group === 1;
  for (let at = first; at < stop; at += group) {
    const end = Math.min(at + group, stop);
    x.push(at / rate);
    if (!each) x.push((at + (end - at) / 2) / rate);
    leads.forEach((_, lead) => {
      let low = Infinity, high = -Infinity;
      for (let k = at; k < end; k++) { const [a, b] = rowsOf(lead, k); if (a !== MISSING) { if (a < low) low = a; if (b > high) high = b; } }
      const mm = (v) => (Number.isFinite(v) ? zeros[lead] + v * data.unit * view.gain : null);
      ys[lead].push(mm(low));
      if (!each) ys[lead].push(mm(high));
    });
  }
  return [x, ...ys];
}
function coarse(start, span, zeros) {
  const first = Math.max(0, Math.floor(start / data.bin_s)), stop = Math.min(overview[0].length, Math.ceil((start + span) / data.bin_s)), x = [], ys = leads.map(() => []);
  for (let at = first; at < stop; at++) { x.push(at * data.bin_s, (at + 0.5) * data.bin_s); leads.forEach((_, k) => [2 * k, 2 * k + 1].forEach((row) => { const v = overview[row][at]; ys[k].push(v === MISSING ? null : zeros[k] + v * data.unit * view.gain); })); }
  return [x, ...ys];
}

/* Painting: a frame is a canvas context with places in time and millimetres, on the screen or on paper */
function stroke(f, path, ink, width) { f.ctx.strokeStyle = ink; f.ctx.lineWidth = width; f.ctx.beginPath(); path(f.ctx); f.ctx.stroke(); }
function paintPaper(f) {
  const {ctx} = f;
  ctx.fillStyle = style("--paper");
  ctx.fillRect(f.left, f.top, f.width, f.height);
  const perS = f.width / f.span, steps = [1 / view.speed, 5 / view.speed, 1, 10, 60, 600, 3600];
  const fine = steps.filter((step) => step * perS >= 2.5 * f.ratio).slice(0, 2);
  const rules = [[1, fine[0], "--grid-minor"], [5, fine[1] || fine[0], "--grid-major"]];
  for (const [mm, step, name] of rules) {
    stroke(f, () => {
      for (let y = 0; y <= f.total + 1e-6; y += mm) { ctx.moveTo(f.left, f.y(y)); ctx.lineTo(f.left + f.width, f.y(y)); }
      if (step) for (let k = Math.ceil(f.start / step); k * step <= f.start + f.span; k++) { ctx.moveTo(f.x(k * step), f.top); ctx.lineTo(f.x(k * step), f.top + f.height); }
    }, style(name), (mm === 5 ? 0.9 : 0.6) * f.ratio);
  }
  for (const [start, end, kind] of data.stretches) {
    if (end < f.start || start > f.start + f.span) continue;
    ctx.fillStyle = style("--doubt");
    const left = Math.max(f.x(start), f.left), right = Math.min(f.x(end), f.left + f.width);
    ctx.fillRect(left, f.top, right - left, f.height);
    text(f, kind, left + 4 * f.ratio, f.top + f.height - 6 * f.ratio, {colour: style("--muted"), align: "left", size: 11});
  }
}
function text(f, words, x, y, {colour: ink = style("--ink"), align = "center", size = 12, bold = false} = {}) {
  f.ctx.font = `${bold ? "bold " : ""}${size * f.ratio}px system-ui, sans-serif`;
  f.ctx.textAlign = align; f.ctx.fillStyle = ink;
  f.ctx.fillText(words, x, y);
}
function paintAbsence(f, words) {
  if (f.span <= SHORTEST_BAND_S && !loaded(f.start, f.span)) text(f, fault.hidden ? words : "The signal couldn't be loaded.", f.left + f.width / 2, f.top + f.height / 2, {bold: true, size: 14});
}
function paintMap(f) {
  if (!overlay || !overlay.rows) return;
  const {map, rows} = overlay, {ctx} = f, scale = data.scale, middle = (scale.length - 1) / 2;
  ctx.save(); ctx.beginPath(); ctx.rect(f.left, f.top, f.width, f.height); ctx.clip();
  ctx.lineJoin = "round";
  map.leads.forEach((name, row) => {
    const lead = leads.indexOf(name);
    if (lead < 0) return;
    const step = Math.max(1, Math.floor(map.fs * f.span / f.width * f.ratio));
    let place = null, last = null;
    const flush = (to) => { if (place && place.points.length) { place.points.push(to); stroke(f, () => place.points.forEach((p, k) => (k ? ctx.lineTo(...p) : ctx.moveTo(...p))), place.ink, 3.2 * f.mm); } place = null; };
    for (let k = 0; k < rows[row].length; k += step) {
      const t = map.start + k / map.fs;
      if (t < f.start - 0.1 || t > f.start + f.span + 0.1) continue;
      const mv = millivolts(lead, t), level = clamp(Math.round(middle * (1 + rows[row][k] / map.steps)), 0, 2 * middle);
      const point = [f.x(t), f.y(f.zeros[lead] + (Number.isFinite(mv) ? mv : 0) * view.gain)];
      if (last !== level) { flush(point); const [r, g, b, a] = scale[level]; if (a > 0.02) place = {points: [], ink: `rgba(${r},${g},${b},${a})`}; last = level; }
      if (place) place.points.push(point);
    }
    if (place && place.points.length > 1) flush(place.points[place.points.length - 1]);
    last = null;
  });
  ctx.restore();
}
function paintReview(f) {
  if (f.span > 120) return;
  const {ctx} = f;
  for (let k = before(f.start - 0.5); k < times.length && times[k] < f.start + f.span + 0.5; k++) {
    const one = decorated(k), left = Math.max(f.x(times[k] - 0.2), f.left), right = Math.min(f.x(times[k] + 0.35), f.left + f.width);
    if (k === selected && right > left) { ctx.fillStyle = style("--chosen"); ctx.fillRect(left, f.top, right - left, f.height); }
    if (!one.review || one.decided || right <= left) continue;
    ctx.save(); ctx.beginPath(); ctx.rect(left, f.top, right - left, f.height); ctx.clip();
    stroke(f, () => { for (let x = left - f.height; x < right; x += 7 * f.ratio) { ctx.moveTo(x, f.top + f.height); ctx.lineTo(x + f.height, f.top); } }, style("--hatch"), 1.2 * f.ratio);
    ctx.restore();
  }
}
function paintMarks(f) {
  const {ctx} = f, top = f.top + 16 * f.ratio;
  const inside = (x) => x >= f.left && x <= f.left + f.width;
  for (let k = before(f.start), last = -Infinity; k < times.length && times[k] <= f.start + f.span; k++) {
    const x = f.x(times[k]), one = f.span <= 120 ? decorated(k) : null, pred = word("pred", k), first = !classes.length || pred === classes[0].id;
    if (!inside(x)) continue;
    if (f.span > 3600 || (f.span > 1200 && first)) continue;   // the trend below says how many
    stroke(f, () => { ctx.moveTo(x, top + 5 * f.ratio); ctx.lineTo(x, top + (one ? 10 : 14) * f.ratio); }, colour(pred), f.ratio * (k === selected ? 2.5 : 1.2));
    if (one && (x - last > 9 * f.ratio || !first)) { text(f, one.letter + (one.decided ? "✓" : ""), x, top, {colour: inked(one.letter), bold: true, size: k === selected ? 15 : 12}); last = x; }
  }
  leads.forEach((name, k) => {
    const y = f.y(f.zeros[k]) + 4 * f.ratio, x = Math.max(f.left - NAMES_PX * f.ratio, 0) + 2 * f.ratio;
    ctx.font = `bold ${12 * f.ratio}px system-ui, sans-serif`;
    ctx.fillStyle = style("--paper"); ctx.globalAlpha = 0.8;
    if (x + ctx.measureText(name).width > f.left) ctx.fillRect(x - 2 * f.ratio, y - 12 * f.ratio, ctx.measureText(name).width + 6 * f.ratio, 15 * f.ratio);
    ctx.globalAlpha = 1;
    text(f, name, x, y, {align: "left", bold: true});
  });
}
function paintCalipers(f) {
  if (!calipers) return;
  const {a, b, lead} = calipers, ink = style("--caliper"), y = (mv) => f.y(f.zeros[lead] + mv * view.gain);
  stroke(f, (ctx) => { for (const p of [a, b]) { ctx.moveTo(f.x(p.t), f.top); ctx.lineTo(f.x(p.t), f.top + f.height); } }, ink, 1.4 * f.ratio);
  f.ctx.setLineDash([5 * f.ratio, 3 * f.ratio]);
  stroke(f, (ctx) => { for (const p of [a, b]) { ctx.moveTo(f.x(a.t), y(p.mv)); ctx.lineTo(f.x(b.t), y(p.mv)); } }, ink, 1.2 * f.ratio);
  f.ctx.setLineDash([]);
  const {words} = measured(), x = clamp((f.x(a.t) + f.x(b.t)) / 2, f.left + 90 * f.ratio, f.left + f.width - 90 * f.ratio), base = f.top + f.height - 10 * f.ratio;
  f.ctx.font = `bold ${13 * f.ratio}px system-ui, sans-serif`;
  const half = f.ctx.measureText(words).width / 2 + 5 * f.ratio;
  f.ctx.fillStyle = style("--paper");
  f.ctx.fillRect(x - half, base - 14 * f.ratio, 2 * half, 19 * f.ratio);
  text(f, words, x, base, {colour: ink, bold: true, size: 13});
}
function frameOf(u) {
  const {left, top, width, height} = u.bbox, ratio = width / u.over.clientWidth || 1;
  return {ctx: u.ctx, ratio, left, top, width, height, start: view.start, span: view.span, zeros: lanes.zeros, total: lanes.total, mm: height / lanes.total,
    x: (t) => left + (t - view.start) / view.span * width, y: (mm) => top + height * (1 - mm / lanes.total)};
}

/* Paper: a canvas of true millimetres that only print shows */
const paper = document.createElement("canvas");
paper.className = "on-paper";
paper.setAttribute("role", "img");
function drawPaper() {
  const seconds = PRINT_MM / view.speed, {zeros, total} = placeLanes(view.gain, PRINT_HEIGHT_MM - TOP_MM), start = clamp(view.start, 0, Math.max(0, duration - 1));
  // Chromium prints a canvas by its size over its pixels, rounded down to 1/64: a quarter, and a pixel less, is exact
  paper.width = Math.floor(PRINT_MM * PRINT_DOTS) - 1; paper.height = Math.floor(total * PRINT_DOTS) - 1;
  paper.style.width = `${PRINT_MM}mm`; paper.style.height = `${total}mm`;
  const f = {ctx: paper.getContext("2d"), ratio: PRINT_DOTS / MM, left: 0, top: 0, width: paper.width, height: paper.height, start, span: seconds, zeros, total, mm: PRINT_DOTS,
    x: (t) => (t - start) * view.speed * PRINT_DOTS, y: (mm) => (total - mm) * PRINT_DOTS};
  paintPaper(f); paintReview(f); paintMap(f);
  const [x, ...ys] = series(start, seconds, paper.width, zeros);
  f.ctx.lineJoin = "round";
  ys.forEach((row) => stroke(f, (ctx) => { let up = true; row.forEach((mm, k) => { if (mm === null) up = true; else { (up ? ctx.moveTo : ctx.lineTo).call(ctx, f.x(x[k]), f.y(mm)); up = false; } }); }, style("--ink"), 1.1 * f.ratio));
  paintMarks(f); paintCalipers(f);
  paintAbsence(f, "The signal wasn't loaded yet. Print again.");
  const words = `${data.corpus}/${data.record}   ${clock(start, 1)} to ${clock(Math.min(start + seconds, duration), 1)}   ${view.speed} mm/s   ${view.gain} mm/mV`;
  text(f, words, f.width - 6 * f.ratio, f.height - 6 * f.ratio, {align: "right", size: 11});
  paper.setAttribute("aria-label", words);
}
window.addEventListener("beforeprint", drawPaper);

/* Elements */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) { if (name.startsWith("on")) node.addEventListener(name.slice(2), value); else if (value !== false) node.setAttribute(name, value); }
  node.append(...children);
  return node;
}
const button = (words, title, act) => element("button", {type: "button", title, "aria-label": title, onclick: act}, words);
function choice(label, options, act) {
  const select = element("select", {"aria-label": label, onchange: () => act(select.value)});
  options.forEach(([value, words]) => select.append(element("option", {value}, words)));
  return element("label", {}, element("span", {}, label), select);
}
const picked = (label, value) => { label.querySelector("select").value = value; };
const canvas = element("div", {class: "plot", tabindex: "0", role: "application", "aria-label": `ECG of ${data.record}, ${leads.join(", ")}. Arrows move, plus and minus zoom, j and k go from beat to beat, m measures.`});
const readout = element("p", {class: "readout"}, "Point at the signal to read time and voltage; click a beat to see what the model says of it."), result = element("p", {class: "result", role: "status"}), fault = element("p", {class: "fault", role: "alert", hidden: ""});
const details = element("div", {class: "details"}), mapBox = element("div", {class: "map"});
const position = element("input", {type: "range", min: 0, max: 1000, value: 0, "aria-label": "Position in the record", oninput: () => go(position.value / 1000 * Math.max(0, duration - view.span))});
const say = (words) => { result.textContent = words; };
const spanChoice = choice("Show", [["", "…"], ...SPANS.filter(([s]) => s < duration || s === Infinity).map(([s, words]) => [String(s), words])], (value) => value && zoomTo(Math.min(Number(value), duration)));
const speedChoice = choice("Speed", [["", "…"], ...PAPER_SPEEDS.map((s) => [String(s), `${s} mm/s`])], (value) => value && toScale(Number(value)));
const gainChoice = choice("Gain", [...new Set([...GAINS, data.gain])].sort((a, b) => a - b).map((g) => [String(g), `${g} mm/mV`]), (value) => { view.gain = Number(value); build(); });
const present = classes.filter((one) => table.pred && table.pred.names.includes(one.id));
const walkClass = choice("Beats", [["", "all"], ...present.map((one) => [one.id, `${one.id}: ${one.name}`])], () => {});
const measure = element("button", {type: "button", "aria-pressed": "false", title: "Measure (m)", onclick: () => setMeasuring(!measuring)}, "Calipers");
const caseChoice = data.cases.length ? choice("Explained", [["", "none"], ...data.cases.map((one, k) => [String(k), one.case])], (value) => showCase(value === "" ? -1 : Number(value))) : null;
const mapChoice = data.cases.length ? choice("Map", [], (value) => showMap(Number(value))) : null;
if (mapChoice) mapChoice.hidden = true;
const bar = element("div", {class: "tools", role: "group", "aria-label": "Tools of the viewer"},
  element("span", {class: "group"}, button("◀", "Back (←)", () => pan(-0.8)), button("▶", "On (→)", () => pan(0.8)), button("−", "Zoom out (−)", () => zoom(2)), button("+", "Zoom in (+)", () => zoom(0.5))),
  spanChoice, speedChoice, gainChoice, measure,
  element("span", {class: "group"}, walkClass, button("‹", "Beat before (k)", () => walk(-1)), button("›", "Next beat (j)", () => walk(1))),
  ...(table.review && table.review.includes("1") ? [element("span", {class: "group"}, element("span", {class: "caption"}, "In review"), button("‹", "Beat in review before (Shift+R)", () => next({review: true}, -1)), button("›", "Next beat in review (r)", () => next({review: true}, 1)))] : []),
  ...(caseChoice ? [element("span", {class: "group"}, caseChoice, mapChoice)] : []));
const legend = element("p", {class: "legend"}, ...present.map((one) => element("span", {title: one.meaning}, element("i", {style: `background:${one.colour}`}), `${one.id} ${one.name}`)), ...(table.review ? [element("span", {}, element("i", {class: "hatched"}), "in review")] : []));
const keys = element("details", {class: "keys"}, element("summary", {}, "Keys"), element("p", {}, "← → move (Shift: by a page) · + − zoom · Home End · t to scale · w whole record · j k next and previous beat (of the class chosen) · r Shift+R next and previous in review · m calipers (then arrows move the second leg, Shift faster; drag on the signal; legs follow the trace and hold at R peaks, Alt sets them free) · o next map · g gain · Ctrl and wheel zoom, Shift and wheel move"));
root.append(bar, fault, canvas, position, readout, result, legend, element("div", {class: "beside"}, details, mapBox), keys, paper);

/* Moving */
function go(start) { view.start = clamp(start, 0, Math.max(0, duration - view.span)); redraw(); }
const allowed = (span) => clamp(span, Math.min(0.5, duration), Math.max(duration, width() / MM / view.speed));   // a short record ends on its paper
function zoomTo(span, at = view.start + view.span / 2, share = 0.5) { view.span = allowed(span); go(at - share * view.span); }
const zoom = (factor, at, share) => zoomTo(view.span * factor, at, share);
const pan = (share) => go(view.start + share * view.span);
const full = () => Math.max(200, canvas.clientWidth), width = () => full() - NAMES_PX - RIGHT_PX;
const perMm = () => width() / view.span / MM;           // millimetres a second, as drawn
function toScale(speed) { view.speed = speed; const middle = selected >= 0 && inView(times[selected]) ? times[selected] : view.start; const share = selected >= 0 && inView(times[selected]) ? 0.5 : 0; zoomTo(width() / MM / speed, middle, share); }
const inView = (t) => t >= view.start && t <= view.start + view.span;

function select(which) {
  const k = typeof which === "number" ? which : samples.findIndex((_, at) => idOf(at) === which);
  if (k < 0 || k >= times.length) return false;
  selected = k;
  if (view.span > 60) view.span = allowed(width() / MM / view.speed);
  if (times[k] < view.start + 0.1 * view.span || times[k] > view.start + 0.9 * view.span) go(times[k] - view.span / 2); else redraw();
  const one = beat(k);
  showBeat(k);
  document.dispatchEvent(new CustomEvent("beatlens:beat", {detail: one}));
  return true;
}
function next(wanted, step = 1) {
  const from = selected >= 0 ? selected + step : step > 0 ? before(view.start) : before(view.start + view.span) - 1;
  for (let k = from; k >= 0 && k < times.length; k += step) {
    if (wanted.review && !(table.review && table.review[k] === "1" && !decorated(k).decided)) continue;
    if (wanted.class && word("pred", k) !== wanted.class) continue;
    return select(k);
  }
  say(wanted.review ? "No further beat in review." : "No further beat of this class.");
  return false;
}
const walk = (step) => next({class: walkClass.querySelector("select").value}, step);

/* What is said of a beat */
const ms = (seconds) => `${Math.round(seconds * 1000)} ms`;
function interval(k) {
  if (k <= 0 || k >= times.length) return "unknown";
  const rr = times[k] - times[k - 1], apart = data.stretches.find(([start, end]) => start < times[k] - 0.01 && end > times[k - 1] + 0.01);
  return `${ms(rr)} (${Math.round(60 / rr)}/min)${apart ? `; between them: ${apart[2]}` : ""}`;
}
const called = (id) => (id === "none" ? "no beat here" : classOf[id] ? `${id}, ${classOf[id].name}` : id);
const reasons = (codes) => codes.split(";").filter(Boolean).map((code) => data.reasons[code] || code.replaceAll("_", " ")).join("; ");
function showBeat(k) {
  const one = beat(k), rows = [];
  if (one.pred) {
    rows.push(["Called", called(one.pred)], ["Probability", Object.entries(one.probabilities).filter(([id]) => id !== "noise").sort((a, b) => b[1] - a[1]).slice(0, 4).map(([id, p]) => `${id} ${p.toFixed(3)}`).join(", ")]);
    if (one.set) rows.push(["Can't be ruled out", one.set.split(";").join(", ")]);
    rows.push(["Review", one.review ? `yes: ${reasons(one.reason) || "no reason given"}` : "no"]);
  }
  if (one.label) rows.push([one.label_source === "reviewed" ? "Reviewed as" : "Annotated", called(one.label)]);
  rows.push(["RR before", interval(k)], ["RR after", interval(k + 1)]);
  details.replaceChildren(element("h3", {}, `Beat at ${clock(one.r_time_s, 2)}`), element("table", {}, element("tbody", {}, ...rows.map(([name, value]) => element("tr", {}, element("th", {scope: "row"}, name), element("td", {}, value))))), element("p", {class: "id"}, one.beat_id));
  const at = data.cases.findIndex((entry) => entry.beat === one.beat_id);
  if (at >= 0 && chosen.kind !== at) { picked(caseChoice, String(at)); showCase(at, false); }
}

/* Maps of explained cases */
function showCase(k, move = true) {
  chosen.kind = k;
  mapChoice.hidden = k < 0;
  if (k < 0) { overlay = null; mapBox.replaceChildren(); redraw(); return; }
  const select_ = mapChoice.querySelector("select"), one = data.cases[k];
  select_.replaceChildren(...one.maps.map((map, at) => element("option", {value: at}, `${map.method.replaceAll("_", " ")}, for ${map.of}`)));
  if (move) { const at = samples.findIndex((_, j) => idOf(j) === one.beat); if (at >= 0) select(at); }
  showMap(0);
}
async function showMap(at) {
  const one = data.cases[chosen.kind], map = one.maps[at];
  chosen.map = at;
  picked(mapChoice, String(at));
  const rows = map.values ? await decode(map.values, map.leads.length) : null;
  overlay = {map, rows};
  const bar_ = element("div", {class: "scale"}, element("span", {}, `−${percentOf(map)}`), element("i", {style: `background:linear-gradient(90deg,${data.scale.map(([r, g, b, a]) => `rgba(${r},${g},${b},${a})`).join(",")})`}), element("span", {}, `+${percentOf(map)}`));
  const share = map.share === null ? "" : `The rhythm holds ${Math.round(100 * map.share)} % of it${map.rhythm < 0 ? ", against the class" : map.rhythm > 0 ? ", for the class" : ""}.`;
  const players = map.players.length ? element("details", {}, element("summary", {}, `Players: ${map.n_players} ${map.kind}`), element("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Players"}, element("table", {}, element("thead", {}, element("tr", {}, element("th", {}, "player"), element("th", {}, "value"))), element("tbody", {}, ...map.players.map(([name, value]) => element("tr", {}, element("td", {}, name), element("td", {}, value.toPrecision(3)))))))) : "";
  mapBox.replaceChildren(element("h3", {}, `${map.method.replaceAll("_", " ")}: what speaks for and against ${map.of}`), element("p", {}, one.words), map.absent ? element("p", {}, `No map: ${map.absent}`) : bar_, element("p", {class: "unit"}, `${map.unit}, not smoothed; one scale for all maps of the method in the run${map.of === one.maps[0].of ? "" : " that are of other classes than the predicted"}. ${share}`), players);
  redraw();
}
const percentOf = (map) => (map.unit.startsWith("share") ? `${+(100 * map.limit).toPrecision(2)} %` : String(+map.limit.toPrecision(2)));

/* Calipers */
function setMeasuring(on) {
  measuring = on;
  measure.setAttribute("aria-pressed", String(on));
  canvas.classList.toggle("measuring", on);
  if (!on) calipers = null;
  else if (selected >= 0 && selected + 1 < times.length) calipers = {lead: 0, a: leg(0, times[selected]), b: leg(0, times[selected + 1])};
  tellCalipers();
  redraw();
}
function leg(lead, t) { return {t, mv: millivolts(lead, t) || 0}; }
function measured() {
  const span = Math.abs(calipers.b.t - calipers.a.t), mv = calipers.b.mv - calipers.a.mv, rate = span > 0 ? 60 / span : NaN;
  return {ms: span * 1000, rate, mv, words: `${(span * 1000).toFixed(0)} ms  ${Number.isFinite(rate) && rate < 1000 ? rate.toFixed(0) : "–"}/min  ${mv >= 0 ? "+" : "−"}${Math.abs(mv).toFixed(2)} mV`};
}
const tellCalipers = () => say(calipers ? `${leads[calipers.lead]}: ${measured().words}` : measuring ? "Drag on the signal to measure." : "");
function pointed(event) {
  const box = plot.over.getBoundingClientRect(), x = event.clientX - box.left, t = view.start + x / box.width * view.span, mm = lanes.total * (1 - (event.clientY - box.top) / box.height);
  let lead = 0;
  lanes.zeros.forEach((zero, k) => { if (Math.abs(zero - mm) < Math.abs(lanes.zeros[lead] - mm)) lead = k; });
  return {t, lead, mv: (mm - lanes.zeros[lead]) / view.gain, free: event.altKey, perS: box.width / view.span};
}
function held({t, mv, free, perS}, lead) {
  if (free) return {t, mv};
  const k = nearest(t), near = k >= 0 && Math.abs(times[k] - t) * perS <= 6;
  return leg(lead, near ? times[k] : t);
}

/* Pointer and keys */
function listen(over) {
  let drag = null;
  over.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const at = pointed(event);
    drag = {x: event.clientX, start: view.start, moved: false};
    over.setPointerCapture(event.pointerId);
    if (measuring) { const point = held(at, at.lead); calipers = {lead: at.lead, a: point, b: point}; redraw(); }
  });
  over.addEventListener("pointermove", (event) => {
    const at = pointed(event);
    tell(at);
    if (!drag) return;
    drag.moved = drag.moved || Math.abs(event.clientX - drag.x) > 3;
    if (measuring) {
      calipers.b = held({...at, mv: at.mv + (lanes.zeros[at.lead] - lanes.zeros[calipers.lead]) / view.gain}, calipers.lead);
      tellCalipers(); redraw();
    } else if (drag.moved) go(drag.start - (event.clientX - drag.x) / over.clientWidth * view.span);
  });
  over.addEventListener("pointerup", (event) => {
    const clicked = drag && !drag.moved && !measuring;
    drag = null;
    if (!clicked) return;
    const at = pointed(event), k = nearest(at.t);
    if (k >= 0 && Math.abs(times[k] - at.t) < Math.max(0.4, 12 / at.perS)) select(k);
  });
  over.addEventListener("pointercancel", () => { drag = null; });
  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;   // the page scrolls
    event.preventDefault();
    const at = pointed(event), turn = event.deltaY || event.deltaX;
    if (event.shiftKey) pan(Math.sign(turn) * 0.1); else zoom(turn > 0 ? 1.25 : 0.8, at.t, (at.t - view.start) / view.span);
  }, {passive: false});
}
function tell({t, lead}) {
  const mv = millivolts(lead, t), k = nearest(t), parts = [clock(t, 2), `${leads[lead]} ${Number.isFinite(mv) ? mv.toFixed(2) : "?"} mV`];
  if (k >= 0 && Math.abs(times[k] - t) < 0.6) {
    const one = beat(k);
    if (one.pred) parts.push(`${called(one.pred)}, p ${(one.probabilities[one.pred] ?? NaN).toFixed(2)}`, `set ${one.set.split(";").join(", ") || "–"}`);
    if (one.label && one.label !== one.pred) parts.push(`annotated ${called(one.label)}`);
    parts.push(`RR ${interval(k)}`);
    if (one.review) parts.push(`in review: ${reasons(one.reason)}`);
  }
  if (overlay && overlay.rows) {
    const {map, rows} = overlay, row = map.leads.indexOf(leads[lead]), at = Math.round((t - map.start) * map.fs);
    if (row >= 0 && at >= 0 && at < rows[row].length) parts.push(`map ${(rows[row][at] / map.steps * map.limit).toPrecision(2)}`);
  }
  readout.textContent = parts.join("  ·  ");
  hover = t;
}
const shift = (step) => { calipers.b = leg(calipers.lead, clamp(calipers.b.t + step * view.span / width(), 0, duration)); tellCalipers(); redraw(); };
const KEYS = {
  ArrowLeft: (event) => (measuring && calipers ? shift(event.shiftKey ? -10 : -1) : pan(event.shiftKey ? -0.9 : -0.1)),
  ArrowRight: (event) => (measuring && calipers ? shift(event.shiftKey ? 10 : 1) : pan(event.shiftKey ? 0.9 : 0.1)),
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), Home: () => go(0), End: () => go(duration), w: () => zoomTo(duration), t: () => toScale(view.speed),
  j: () => walk(1), k: () => walk(-1), r: () => next({review: true}, 1), R: () => next({review: true}, -1), m: () => setMeasuring(!measuring),
  g: () => { view.gain = GAINS[(GAINS.indexOf(view.gain) + 1) % GAINS.length]; build(); },
  o: () => { if (overlay) showMap((chosen.map + 1) % data.cases[chosen.kind].maps.length); },
  Escape: () => setMeasuring(false),
};
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, [contenteditable]")) return;
  const page = (event.key === "Home" || event.key === "End" || event.key.startsWith("Arrow")) && !canvas.contains(document.activeElement);
  const act = KEYS[event.key];
  if (!act || page || (event.key === "Escape" && !measuring)) return;
  event.preventDefault();
  act(event);
});

/* uPlot */
let due = false;
function redraw() { if (!plot || due) return; due = true; requestAnimationFrame(() => { due = false; draw(); }); }
function draw() {
  if (plot.width !== full()) { plot.setSize({width: full(), height: plot.height}); view.span = allowed(view.span); }
  plot.setData(series(view.start, view.span, width(), lanes.zeros), true);
  position.value = String(Math.round(1000 * view.start / Math.max(duration - view.span, 1e-9)));
  position.setAttribute("aria-valuetext", clock(view.start));
  const exact = Math.abs(perMm() / view.speed - 1) < 0.002;
  picked(speedChoice, exact ? String(view.speed) : "");
  picked(spanChoice, view.span >= duration - 1e-6 ? "Infinity" : String((SPANS.find(([s]) => s === view.span) || [""])[0]));
  picked(gainChoice, String(view.gain));
  canvas.dataset.speed = exact ? view.speed : perMm().toPrecision(3);
}
function build() {
  if (plot) plot.destroy();
  lanes = placeLanes(view.gain);
  canvas.replaceChildren();
  const ink = style("--ink"), axis = 30;
  plot = new uPlot({
    width: full(), height: Math.round(lanes.total * MM) + axis, padding: [0, RIGHT_PX, 0, NAMES_PX], pxAlign: false,
    legend: {show: false},
    cursor: {y: false, points: {show: false}, drag: {x: false, y: false, setScale: false}},
    scales: {x: {time: false, range: () => [view.start, view.start + view.span]}, y: {range: () => [0, lanes.total]}},
    axes: [{size: axis, space: 90, incrs: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400], stroke: ink, grid: {show: false}, ticks: {stroke: ink, size: 5}, font: "12px system-ui, sans-serif", values: (_, marks) => marks.map((t, k) => clock(t, marks.length > 1 && marks[1] - marks[0] < 1 ? (marks[1] - marks[0] < 0.1 ? 2 : 1) : 0))}, {show: false}],
    series: [{}, ...leads.map((name) => ({label: name, stroke: ink, width: 1.15, points: {show: false}}))],
    hooks: {
      // uPlot remembers the context's style, so it is put back
      drawClear: [(u) => { const f = frameOf(u); u.ctx.save(); paintPaper(f); paintReview(f); paintMap(f); u.ctx.restore(); }],
      draw: [(u) => { const f = frameOf(u), {ctx} = f; ctx.save(); paintMarks(f); paintAbsence(f, "The signal is loading."); ctx.beginPath(); ctx.rect(f.left, f.top, f.width, f.height); ctx.clip(); paintCalipers(f); ctx.restore(); }],
      ready: [(u) => listen(u.over)],
    },
  }, series(view.start, view.span, width(), lanes.zeros), canvas);
  draw();
}

/* Places in strips and in the trend are places in time */
document.querySelectorAll("img.strip").forEach((image) => image.addEventListener("click", (event) => {
  const {start, row, rows, left, columns, height} = image.dataset, scale = image.naturalWidth / image.clientWidth;
  const x = (event.offsetX * scale - left) / columns, y = Math.floor(event.offsetY * scale / height);
  if (x >= 0 && y < rows) jump(Number(start) + (y + clamp(x, 0, 1)) * row);
}));
document.querySelectorAll("svg.trend").forEach((svg) => svg.addEventListener("click", (event) => {
  const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
  jump(clamp((x - svg.dataset.left) / svg.dataset.width, 0, 1) * duration);
}));
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-at-s], [data-beat]");
  if (!link) return;
  event.preventDefault();
  if (link.dataset.beat) { if (select(link.dataset.beat)) root.scrollIntoView({block: "start"}); } else jump(Number(link.dataset.atS));
});
document.querySelectorAll("[data-at-s]").forEach((place) => {
  place.setAttribute("role", "button"); place.setAttribute("tabindex", "0"); place.title = "Show in the viewer";
  place.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); place.click(); } });
});
function jump(t) { toScale(view.speed); go(t - view.span / 2); root.scrollIntoView({block: "start"}); canvas.focus({preventScroll: true}); }

decode(data.overview, 2 * leads.length).then((rows) => {
  overview = rows;
  root.classList.add("on");
  build();
  toScale(data.speed);
  new ResizeObserver(() => { if (plot && plot.width !== full()) { const scaled = canvas.dataset.speed === String(view.speed); redraw(); if (scaled) toScale(view.speed); } }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
  const asked = decodeURIComponent(location.hash.slice(1));
  if (asked.startsWith("beat=")) select(asked.slice(5)); else if (asked.startsWith("t=")) jump(Number(asked.slice(2)));
  document.dispatchEvent(new CustomEvent("beatlens:ready"));
});

beatlens.viewer = {select, next, redraw, go, zoomTo, toScale, beat: () => (selected < 0 ? null : beat(selected)), view: () => ({...view, mm_s: perMm(), to_scale: canvas.dataset.speed}),
  calipers: () => (calipers ? measured() : null), place: (lead, t, mv) => { const box = plot.over.getBoundingClientRect(); return {x: box.left + (t - view.start) / view.span * box.width, y: box.top + box.height * (1 - (lanes.zeros[lead] + mv * view.gain) / lanes.total)}; }, value: millivolts};
})();
