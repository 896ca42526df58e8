// The page: sends an image to /predict?format=arrays and draws what comes back. No library, no build step.
"use strict";

const $ = (id) => document.getElementById(id);
const LONGEST_PX = 1920; // larger images are made smaller before they are sent: the answer holds maps of every pixel
const VIDEO_PX = 960;
const LEAST_SCORE = 0.05; // asked of the server; the slider hides boxes here, without asking again

const state = { models: [], answer: null, bitmap: null, marker: null, busy: false, again: false, source: null, shown: 0 };

// ---- asking the server -------------------------------------------------------------------------------------------

function headers() {
  const key = $("key").value;
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function answered(response) {
  if (response.ok) return response;
  let text = `status ${response.status}`;
  try { text = (await response.json()).error; } catch { /* no JSON: the status must do */ }
  if (response.status === 401) $("key-label").hidden = false;
  throw new Error(text);
}

const VIEWS = { BOOL: Uint8Array, UINT8: Uint8Array, INT32: Int32Array, INT64: BigInt64Array, FP32: Float32Array,
  UINT16: Uint16Array, INT8: Int8Array, UINT32: Uint32Array, INT16: Int16Array, UINT64: BigUint64Array, FP64: Float64Array };

/** The JSON and the arrays by name: bytes after the JSON, little-endian, one after another. */
function unpacked(buffer, length) {
  const tree = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 0, length)));
  const arrays = {};
  let place = length;
  for (const row of tree.outputs) {
    const size = row.parameters.binary_data_size;
    arrays[row.name] = { data: new VIEWS[row.datatype](buffer.slice(place, place + size)), shape: row.shape };
    place += size;
  }
  return { tree, arrays };
}

async function ask(blob) {
  const query = new URLSearchParams({ model: $("model").value, format: "arrays" });
  const focal = Number($("focal").value), heads = chosen();
  const takes = (word) => heads.some((name) => model().heads[name].takes.includes(word));  // others are refused
  if (takes("threshold")) query.set("threshold", LEAST_SCORE);
  if (takes("focal_px") && focal > 0 && state.focalScale) query.set("focal_px", focal * state.focalScale);
  if (heads.length) query.set("heads", heads.join(","));
  const response = await answered(await fetch(`predict?${query}`, { method: "POST", body: blob, headers: headers() }));
  const length = Number(response.headers.get("inference-header-content-length"));
  return unpacked(await response.arrayBuffer(), length);
}

function model() { return state.models.find((one) => one.name === $("model").value); }

function chosen() { return [...document.querySelectorAll("#heads input:checked")].map((box) => box.value); }

// ---- what is looked at -------------------------------------------------------------------------------------------

function scaled(width, height, longest) {
  const factor = Math.min(1, longest / Math.max(width, height));
  return [Math.max(1, Math.round(width * factor)), Math.max(1, Math.round(height * factor)), factor];
}

function toBlob(canvas, kind, quality) { return new Promise((done) => canvas.toBlob(done, kind, quality)); }

/** Sends what the source shows now and draws the answer; while one request is under way, the newest waits. */
async function look() {
  if (!state.source || !chosen().length) { draw(); return; }
  if (state.busy) { state.again = true; return; }
  state.busy = true;
  try {
    const begin = performance.now();
    const { bitmap, blob, factor, name } = await state.source();
    state.focalScale = factor;
    const answer = await ask(blob);
    Object.assign(state, { bitmap, answer, name });
    const note = factor < 1 ? `, made smaller to ${bitmap.width} x ${bitmap.height}` : "";
    say(`${name}${note}: answered in ${Math.round(performance.now() - begin)} ms`);
    state.shown += 1;
    document.body.dataset.answers = state.shown;
    document.body.dataset.heads = Object.keys(answer.tree.tasks).join(" ");
    $("drop").hidden = true;
    $("canvases").hidden = false;
    $("download").disabled = false;
    for (const [name, task] of Object.entries(answer.tree.tasks)) tellKind(name, task.kind);
    draw();
    tellPixel();
    state.again ||= chosen().some((name) => !(name in answer.tree.tasks)); // switched on while this was asked
  } catch (error) {
    say(error.message, true);
    document.body.dataset.errors = Number(document.body.dataset.errors || 0) + 1;
  } finally {
    state.busy = false;
    if (state.again) { state.again = false; look(); }
  }
}

function say(text, wrong = false) { $("state").textContent = text; $("state").classList.toggle("error", wrong); }

async function fromFile(file) {
  stopMoving();
  if (file.type.startsWith("video/")) { await fromVideo(file); return; }
  state.source = async () => {
    const whole = await createImageBitmap(file);
    const [width, height, factor] = scaled(whole.width, whole.height, LONGEST_PX);
    if (factor === 1) return { bitmap: whole, blob: file, factor, name: file.name };
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").drawImage(whole, 0, 0, width, height);
    return { bitmap: await createImageBitmap(canvas), blob: await toBlob(canvas, "image/png"), factor, name: file.name };
  };
  await look();
}

function moving(name) {
  const video = $("video");
  const canvas = document.createElement("canvas");
  state.source = async () => {
    const [width, height, factor] = scaled(video.videoWidth, video.videoHeight, VIDEO_PX);
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(video, 0, 0, width, height);
    return { bitmap: await createImageBitmap(canvas), blob: await toBlob(canvas, "image/jpeg", 0.92), factor, name };
  };
  $("pause").disabled = false;
  state.moving = true;
  const step = async () => {
    if (!state.moving) return;
    if (!video.paused && video.videoWidth) await look();
    requestAnimationFrame(step);
  };
  step();
}

async function fromVideo(file) {
  const video = $("video");
  video.src = URL.createObjectURL(file);
  try {
    await video.play();
  } catch {
    say(`${file.name}: this browser cannot play it; convert it to MP4 (H.264) or WebM`, true);
    return;
  }
  moving(file.name);
}

async function fromWebcam() {
  if ($("webcam").getAttribute("aria-pressed") === "true") { stopMoving(); return; }
  stopMoving();
  try {
    $("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    await $("video").play();
    $("webcam").setAttribute("aria-pressed", "true");
    moving("webcam");
  } catch (error) {
    say(`no webcam: ${error.message}; browsers allow one on localhost and over https only`, true);
  }
}

function stopMoving() {
  const video = $("video");
  state.moving = false;
  for (const track of video.srcObject ? video.srcObject.getTracks() : []) track.stop();
  if (video.src) URL.revokeObjectURL(video.src);
  video.srcObject = null;
  video.removeAttribute("src");
  $("webcam").setAttribute("aria-pressed", "false");
  $("pause").setAttribute("aria-pressed", "false");
  $("pause").disabled = true;
}

function pause() {
  const video = $("video");
  if ($("pause").disabled) return;
  if (video.paused) video.play(); else video.pause();
  $("pause").setAttribute("aria-pressed", String(!video.paused ? false : true));
}

// ---- drawing, one function per kind ------------------------------------------------------------------------------

function color(head, label) {
  const colors = head.colors;
  return colors.length ? colors[Math.max(0, Number(label)) % colors.length] : [31, 119, 220];
}

const css = (rgb) => `rgb(${rgb.join(",")})`;

/** Paints a map of colors over the image. paint: (pixel index, out) fills out with red, green, blue, opacity. */
function overlay(context, shape, paint) {
  const [height, width] = shape;
  const image = new ImageData(width, height);
  const out = [0, 0, 0, 0];
  for (let i = 0; i < width * height; i += 1) {
    paint(i, out);
    image.data.set(out, 4 * i);
  }
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").putImageData(image, 0, 0);
  context.drawImage(canvas, 0, 0, context.canvas.width, context.canvas.height);
}

function scaleColor(meters) {
  const { low_m: low, high_m: high, colors } = model().scale;
  const value = Math.min(high, Math.max(low, meters));
  return colors[Math.round((255 * Math.log(high / value)) / Math.log(high / low))];
}

/** Distances by the one scale of the package; other numbers between the least and the largest of the map. */
function painter(head, values) {
  if (head.unit === "m") return scaleColor;
  let low = Infinity, high = -Infinity;
  for (const value of values) if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
  const colors = model().scale.colors;
  return (value) => colors[Math.round((255 * (value - low)) / Math.max(high - low, 1e-9))];
}

const MAPS = {
  ClassMap(context, head, field, opacity) {
    const { data, shape } = field("ids");
    overlay(context, shape, (i, out) => {
      const id = data[i];
      const rgb = id === 255 ? [0, 0, 0] : color(head, id);
      const alpha = id === 255 ? opacity * 0.6 : head.background[id] ? 0 : opacity;
      [out[0], out[1], out[2], out[3]] = [rgb[0], rgb[1], rgb[2], Math.round(255 * alpha)];
    });
  },
  ScalarMap(context, head, field, opacity) {
    const { data, shape } = field("values");
    const paint = painter(head, data);
    overlay(context, shape, (i, out) => {
      const rgb = Number.isFinite(data[i]) ? paint(data[i]) : [0, 0, 0];
      [out[0], out[1], out[2], out[3]] = [rgb[0], rgb[1], rgb[2], Math.round(255 * opacity)];
    });
  },
  NormalMap(context, head, field, opacity) {
    const { data, shape } = field("xyz");
    const size = shape[1] * shape[2];
    overlay(context, shape.slice(1), (i, out) => {
      const xyz = [data[i], -data[i + size], -data[i + 2 * size]];
      const known = xyz.every(Number.isFinite);
      for (let c = 0; c < 3; c += 1) out[c] = known ? Math.round(127.5 * (xyz[c] + 1)) : 0;
      out[3] = Math.round(255 * opacity);
    });
  },
};

function visible(row) {
  return row.score === undefined || row.score === null || row.score >= Number($("threshold").value);
}

function write(context, text, x, y, background) {
  const size = Math.max(12, Math.round(context.canvas.width / 55));
  context.font = `${size}px system-ui, sans-serif`;
  const width = context.measureText(text).width + 6;
  const top = Math.max(0, Math.min(y, context.canvas.height - size - 4));
  const left = Math.max(0, Math.min(x, context.canvas.width - width));
  context.fillStyle = css(background);
  context.fillRect(left, top, width, size + 4);
  const light = 0.299 * background[0] + 0.587 * background[1] + 0.114 * background[2];
  context.fillStyle = light > 140 ? "#000" : "#fff";
  context.fillText(text, left + 3, top + size);
  return size + 4;
}

function path(context, points, rgb) {
  context.strokeStyle = css(rgb);
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

const THINGS = {
  Boxes(context, head, message) {
    for (const row of message.boxes.filter(visible)) {
      const [x0, y0, x1, y1] = row.xyxy;
      const rgb = color(head, row.label);
      context.strokeStyle = css(rgb);
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
      const far = Number.isFinite(row.distance_m) ? ` ${row.distance_m.toFixed(1)} m` : "";
      const score = row.score === undefined ? "" : ` ${Math.round(100 * row.score)} %`;
      write(context, `${row.class}${score}${far}`, x0, y0 - Math.max(16, context.canvas.width / 55 + 4), rgb);
    }
  },
  Polylines(context, head, message) {
    for (const row of message.lines.filter(visible)) path(context, row.points, color(head, row.label ?? 0));
  },
  Keypoints(context, head, message) {
    for (const row of message.instances.filter(visible)) {
      context.fillStyle = css(color(head, row.label ?? 0));
      row.xy.forEach(([x, y], k) => {
        if (!row.visible[k]) return;
        context.beginPath();
        context.arc(x, y, Math.max(3, context.canvas.width / 250), 0, 2 * Math.PI);
        context.fill();
      });
    }
  },
};

function draw() {
  if (!state.bitmap) return;
  const { width, height } = state.bitmap;
  const drawn = $("drawn"), plain = $("plain");
  for (const canvas of [drawn, plain]) Object.assign(canvas, { width, height });
  plain.hidden = !$("side").checked;
  const context = drawn.getContext("2d");
  plain.getContext("2d").drawImage(state.bitmap, 0, 0);
  context.drawImage(state.bitmap, 0, 0);
  context.lineWidth = Math.max(2, width / 400);
  const shown = shownHeads();
  const opacity = Number($("opacity").value);
  for (const [name, head] of shown) {
    if (MAPS[head.kind]) MAPS[head.kind](context, head, (field) => state.answer.arrays[`${name}.${field}`], opacity);
  }
  let line = 4;
  for (const [name, head] of shown) {
    const message = state.answer.tree.tasks[name];
    if (THINGS[head.kind]) THINGS[head.kind](context, head, message);
    const text = words(name, head, message);
    if (text) line += write(context, text, 4, line, [20, 20, 20]) + 2;
  }
  if (state.marker) mark(context);
  legend(shown);
}

/** Tags and numbers of the whole image, as text. */
function words(name, head, message) {
  if (head.kind === "Tag") {
    const share = message.probability === undefined ? "" : ` ${Math.round(100 * message.probability)} %`;
    return `${name}: ${message.class}${share}`;
  }
  return head.kind === "Quantity" ? `${name}: ${message.value ?? "unknown"}` : "";
}

/**
 * Heads that are switched on and in the answer: [name, what the server says of it, with the kind of the answer].
 * What follows the graph may change the kind: lines are traced, boxes cut out.
 */
function shownHeads() {
  if (!state.answer) return [];
  const on = new Set(chosen()), known = model().heads, tasks = state.answer.tree.tasks;
  return Object.keys(tasks).filter((n) => on.has(n)).map((n) => [n, { ...known[n], kind: tasks[n].kind }]);
}

function legend(shown) {
  const items = [];
  for (const [name, head] of shown) {
    const share = state.answer.tree.tasks[name].share;
    if (share) {
      for (const [cls, part] of Object.entries(share)) {
        const id = head.classes.indexOf(cls);
        items.push(chip(css(id < 0 ? [0, 0, 0] : color(head, id)), `${cls} ${(100 * part).toFixed(1)} %`));
      }
    } else if (head.kind === "ScalarMap" && head.unit === "m") {
      const { low_m: low, high_m: high, colors } = model().scale;
      const stops = colors.filter((_, i) => i % 15 === 0).map(css).reverse().join(",");
      const item = chip("", `${name}: ${low} m to ${high} m`);
      item.firstChild.className = "scale";
      item.firstChild.style.background = `linear-gradient(90deg, ${stops})`;
      items.push(item);
    }
  }
  $("legend").replaceChildren(...items);
}

function chip(background, text) {
  const item = document.createElement("span");
  const swatch = document.createElement("i");
  swatch.style.background = background;
  item.append(swatch, text);
  return item;
}

// ---- one pixel ---------------------------------------------------------------------------------------------------

function mark(context) {
  const { x, y } = state.marker;
  const arm = Math.max(8, context.canvas.width / 60);
  for (const [width, style] of [[4, "#000"], [2, "#fff"]]) {
    context.lineWidth = width;
    context.strokeStyle = style;
    context.beginPath();
    context.moveTo(x + 0.5 - arm, y + 0.5); context.lineTo(x + 0.5 + arm, y + 0.5);
    context.moveTo(x + 0.5, y + 0.5 - arm); context.lineTo(x + 0.5, y + 0.5 + arm);
    context.stroke();
  }
}

function tellPixel() {
  if (!state.marker || !state.answer || !state.bitmap) { $("pixel").textContent = ""; return; }
  const x = Math.min(state.marker.x, state.bitmap.width - 1), y = Math.min(state.marker.y, state.bitmap.height - 1);
  const parts = [`x ${x}, y ${y}`];
  for (const [name, head] of shownHeads()) {
    const field = (key) => state.answer.arrays[`${name}.${key}`];
    if (head.kind === "ClassMap") {
      const { data, shape } = field("ids");
      const id = data[y * shape[1] + x];
      parts.push(`${name}: ${id === 255 ? "unknown" : head.classes[id] ?? id}`);
    } else if (head.kind === "ScalarMap") {
      const { data, shape } = field("values");
      const value = data[y * shape[1] + x];
      parts.push(`${name}: ${Number.isFinite(value) ? `${value.toFixed(2)} ${head.unit}` : "unknown"}`);
    } else if (head.kind === "NormalMap") {
      const { data, shape } = field("xyz");
      const size = shape[1] * shape[2], i = y * shape[2] + x;
      parts.push(`${name}: ${[0, 1, 2].map((c) => data[i + c * size].toFixed(2)).join(" ")}`);
    } else if (head.kind === "Boxes") {
      const inside = state.answer.tree.tasks[name].boxes.filter(visible).filter(({ xyxy: [a, b, c, d] }) =>
        x + 0.5 >= a && x + 0.5 <= c && y + 0.5 >= b && y + 0.5 <= d);
      for (const row of inside) parts.push(`${row.class}${Number.isFinite(row.distance_m) ? ` at ${row.distance_m} m` : ""}`);
    }
  }
  $("pixel").textContent = parts.join(" · ");
}

function point(event) {
  const canvas = event.currentTarget, area = canvas.getBoundingClientRect();
  const x = Math.floor(((event.clientX - area.left) / area.width) * canvas.width);
  const y = Math.floor(((event.clientY - area.top) / area.height) * canvas.height);
  moveMarker(x, y);
}

function moveMarker(x, y) {
  const { width, height } = state.bitmap;
  state.marker = { x: Math.max(0, Math.min(width - 1, x)), y: Math.max(0, Math.min(height - 1, y)) };
  draw();
  tellPixel();
}

// ---- the rest of the controls ------------------------------------------------------------------------------------

function download() {
  if (!state.answer) return;
  const { outputs, ...tree } = state.answer.tree;
  const blob = new Blob([JSON.stringify({ ...tree, name: state.name }, null, 2)], { type: "application/json" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${state.name}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function fillHeads() {
  const heads = Object.entries(model().heads);
  $("heads").replaceChildren(...heads.map(([name, head], i) => {
    const label = document.createElement("label"), box = document.createElement("input"), kind = document.createElement("small");
    Object.assign(box, { type: "checkbox", value: name, checked: !["ScalarMap", "NormalMap"].includes(head.kind) });
    box.addEventListener("change", () => { if (box.checked && !(state.answer && name in state.answer.tree.tasks)) look(); else { draw(); tellPixel(); } });
    Object.assign(kind.dataset, { head: name, key: i < 9 ? i + 1 : "" });
    label.append(box, name, kind);
    return label;
  }));
  for (const [name, head] of heads) tellKind(name, head.kind);
  const scores = heads.map(([, head]) => head.score_threshold).filter((value) => value > 0);
  $("threshold").value = scores.length ? Math.min(...scores) : 0.3;
  showValues();
  Object.assign(state, { answer: null });
}

function tellKind(name, kind) {
  const place = [...document.querySelectorAll("#heads small")].find((one) => one.dataset.head === name);
  if (place) place.textContent = `${kind} ${place.dataset.key}`;
}

function showValues() {
  for (const id of ["threshold", "opacity"]) $(`${id}-value`).textContent = Number($(id).value).toFixed(2);
}

function press(event) {
  const typing = event.target.matches("input:not([type=checkbox]):not([type=range]), select");
  if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.target === $("drawn") && arrows[event.key] && state.bitmap) {
    const [dx, dy] = arrows[event.key], step = event.shiftKey ? 10 : 1;
    const { x, y } = state.marker ?? { x: state.bitmap.width >> 1, y: state.bitmap.height >> 1 };
    event.preventDefault();
    moveMarker(x + dx * step, y + dy * step);
    return;
  }
  const keys = { o: () => $("file").click(), w: fromWebcam, d: download, s: () => $("side").click() };
  if (event.key === " " && !event.target.matches("button, input")) { event.preventDefault(); pause(); }
  else if (keys[event.key]) keys[event.key]();
  else if (/^[1-9]$/.test(event.key)) document.querySelectorAll("#heads input")[Number(event.key) - 1]?.click();
}

async function begin() {
  try {
    state.models = await (await answered(await fetch("models", { headers: headers() }))).json();
  } catch (error) {
    say(error.message, true);
    return;
  }
  $("model").replaceChildren(...state.models.map(({ name }) => Object.assign(document.createElement("option"), { value: name, textContent: name })));
  fillHeads();
  say("");
  document.body.dataset.ready = "yes";
}

$("key").addEventListener("change", begin);
$("model").addEventListener("change", () => { fillHeads(); look(); });
$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { if ($("file").files[0]) fromFile($("file").files[0]); $("file").value = ""; });
$("webcam").addEventListener("click", fromWebcam);
$("pause").addEventListener("click", pause);
$("download").addEventListener("click", download);
$("side").addEventListener("change", draw);
$("focal").addEventListener("change", look);
for (const id of ["threshold", "opacity"]) $(id).addEventListener("input", () => { showValues(); draw(); tellPixel(); });
for (const id of ["drawn", "plain"]) $(id).addEventListener("click", point);
document.addEventListener("keydown", press);
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    $("view").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) fromFile(event.dataTransfer.files[0]);
  });
}
begin();
