/* What the page does with the model of model.js: reads what was typed, writes on, draws. Every text that it shows is
 * set as text (textContent), never as HTML.
 */
"use strict";

const $ = (id) => document.getElementById(id);
const N_BARS = 10;
const READ_MS = 30; // how long the page computes before it lets the browser draw

/** An element with a class, a text and children. */
function make(tag, { className = "", text = "", ...properties } = {}, children = []) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  Object.assign(element, properties);
  element.append(...children);
  return element;
}

/** 0.1234 as "12%", 0.0123 as "1.2%". */
function percent(share) {
  if (share > 0 && share < 0.0001) return "<0.01%";
  return share >= 0.0995 ? `${(100 * share).toFixed(0)}%` : `${(100 * share).toFixed(share < 0.001 ? 2 : 1)}%`;
}

/** A number with thousands separated by commas. */
function grouped(number) {
  return number.toLocaleString("en-US");
}

// -- The model --------------------------------------------------------------------------------------------------------

/** The bytes of a base64 text. */
function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const data = JSON.parse($("data").textContent);
const loaded = new Map(); // by their place in data.models
let about, tokenizer, model, cache; // those of the model that is chosen

/** Choose a model; at the first time its weights are read. */
function useModel(index) {
  about = data.models[index];
  if (!loaded.has(index)) {
    const element = $(`weights${index}`);
    const transformer = new Transformer(about.config, readSafetensors(fromBase64(element.textContent)));
    loaded.set(index, { transformer, tokenizer: new Tokenizer(about.tokenizer) });
    element.remove(); // the model holds the numbers now
  }
  tokenizer = loaded.get(index).tokenizer;
  model = loaded.get(index).transformer;
  cache = model.newCache(about.max_tokens);
  $("beginning").maxLength = 20 * about.max_tokens;
  $("modes").hidden = about.chat === null;
  describe();
  label();
  makeHeads();
  drawCurve(about.curve);
  if (!$("compare").hidden) compareNext();
}

/** The same beginning for another model: it reads and writes anew. */
async function switchModel() {
  const again = state.ids.length > 0;
  state.busy = false;
  await state.writing;
  startOver();
  useModel(Number($("model").value));
  if (again) write(Infinity);
}

/** The text so far. For each token: its id, the probability that it had (null for the first), the attention from it. */
const state = { ids: [], given: 0, shares: [], weights: [], selected: -1, head: null, logits: null, busy: false };
state.writing = Promise.resolve(); // until the writing in progress has ended
state.typed = null; // what the text was made from

/** The ids of what was typed: after the token that begins texts, or inside the chat template. */
function idsOf(typed) {
  if (!asksQuestion()) return [...about.begin, ...tokenizer.encode(typed)];
  return about.chat.flatMap((piece) => (typeof piece === "number" ? [piece] : tokenizer.encode(piece.join(typed))));
}

function asksQuestion() {
  return about.chat !== null && document.querySelector("input[name=mode]:checked").value === "chat";
}

function temperature() {
  return Number($("temperature").value);
}

/** Read one token: its row of attention, its share of the prediction before it, and the logits after it. */
function read(id) {
  state.shares.push(state.logits === null ? null : probabilities(state.logits, temperature())[id]);
  const { logits, weights } = model.step(id, cache);
  state.ids.push(id);
  state.weights.push(weights);
  state.logits = logits;
  addToken(state.ids.length - 1);
}

/** Forget all tokens from position `length` on; the KV cache holds those before it. */
function cut(length) {
  if (length >= state.ids.length) return;
  for (const list of [state.ids, state.shares, state.weights]) list.length = length;
  state.selected = Math.min(state.selected, length - 1);
  cache.length = length;
  state.logits = null; // they were those of a longer text
  if (length > 0) state.logits = predictionAfter(length - 1);
  while ($("text").children.length > length) $("text").lastChild.remove();
  drawAllHeads();
}

/** The logits after the token at a position, computed again: the cache goes back by one token and reads it. */
function predictionAfter(position) {
  if (position === state.ids.length - 1 && state.logits !== null && cache.length === state.ids.length) {
    return state.logits;
  }
  cache.length = position;
  const { logits } = model.step(state.ids[position], cache);
  cache.length = state.ids.length;
  return logits;
}

// -- Writing ----------------------------------------------------------------------------------------------------------

/** Let the browser draw, and wait for some milliseconds. */
function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Read what was typed, unless the text is made from it already. Returns whether there is something to go on from. */
async function readBeginning() {
  const typed = JSON.stringify([$("beginning").value, asksQuestion()]);
  if (typed === state.typed && state.ids.length > 0) return true;
  let ids;
  try {
    ids = idsOf($("beginning").value);
  } catch (error) {
    say(`${error.message}; take that character out.`);
    return false;
  }
  if (ids.length === 0) {
    say("Type a beginning first: this tokenizer has no token that begins a text.");
    return false;
  }
  if (ids.length >= about.max_tokens) {
    say(`This beginning has ${ids.length} tokens; the context holds ${about.max_tokens}. Shorten it.`);
    return false;
  }
  state.typed = null;
  let same = 0;
  while (same < ids.length - 1 && ids[same] === state.ids[same]) same++;
  cut(same);
  state.given = ids.length;
  for (let i = 0; i < same; i++) $("text").children[i].classList.add("given");
  let last = performance.now();
  for (const id of ids.slice(same)) {
    if (!state.busy) return false; // stopped halfway: it is read again next time
    read(id);
    if (performance.now() - last > READ_MS) {
      say(`Reading ${state.ids.length} of ${ids.length} tokens.`);
      await pause(0);
      last = performance.now();
    }
  }
  state.typed = typed;
  return true;
}

/** Write up to `most` tokens, until the text ends, the context is full or somebody stops it. */
function write(most) {
  if (!state.busy) state.writing = readAndWrite(most);
}

async function readAndWrite(most) {
  state.busy = true;
  $("write").textContent = "Stop";
  $("one").disabled = $("clear").disabled = true;
  try {
    if (await readBeginning()) await writeOn(most);
  } finally {
    state.busy = false;
    $("write").textContent = "Write";
    $("one").disabled = $("clear").disabled = false;
  }
}

async function writeOn(most) {
  const begun = performance.now();
  let last = begun;
  let written = 0;
  let why = "";
  while (state.busy && written < most) {
    if (state.ids.length > state.given && state.ids.at(-1) === about.end) {
      why = "The text has ended. Start over, or choose a bar to go on.";
      break;
    }
    if (state.ids.length >= about.max_tokens) {
      why = `The context of ${about.max_tokens} tokens is full, so the text stops here. Start over to write more.`;
      break;
    }
    read(choose(probabilities(state.logits, temperature()), Math.random()));
    written++;
    const speed = Number($("speed").value);
    if (speed > 0) {
      select(state.ids.length - 1);
      await pause(1000 / speed);
    } else if (performance.now() - last > READ_MS) {
      select(state.ids.length - 1);
      await pause(0);
      last = performance.now();
    }
  }
  select(state.ids.length - 1);
  const rate = written / ((performance.now() - begun) / 1000);
  const timed = written > 1 && $("speed").value === "0";
  say(why || (written > 1 ? `Stopped after ${written} tokens.` : ""), timed ? rate : 0);
}

function say(text, rate = 0) {
  $("status").textContent = rate ? `${text} ${rate.toFixed(0)} tokens/s.` : text;
}

// -- The text, token by token -----------------------------------------------------------------------------------------

/** How a token is shown: its text, and a mark for what has none. */
function shown(id) {
  const text = tokenizer.decode([id]);
  if (text === "") return "\u2205";
  return text.includes("\n") ? text.replaceAll("\n", "\u21b5\n") : text;
}

function addToken(position) {
  const id = state.ids[position];
  const token = make("span", { className: "token", text: shown(id), tabIndex: -1 });
  token.setAttribute("role", "option");
  token.setAttribute("aria-selected", "false");
  if (position < state.given) token.classList.add("given");
  if (tokenizer.special.has(id)) token.classList.add("special");
  $("text").append(token);
  shade(position);
  drawRow(position);
}

/** Fill a token to the height of its probability, or of the chosen head's attention to it from the selected token. */
function shade(position) {
  const token = $("text").children[position];
  const { head, selected } = state;
  const attended = head !== null && selected >= 0;
  const share = attended ? (state.weights[selected][head.layer][head.head][position] ?? 0) : state.shares[position];
  token.classList.toggle("attended", attended);
  token.style.setProperty("--share", share ?? 0);
  token.title = share === null ? "" : `${attended ? "attention" : "probability"} ${percent(share)}`;
}

/** Select a token: its bars, its rows in the heads, and the arrow keys start from it. */
function select(position, focus = false) {
  const tokens = $("text").children;
  const before = tokens[state.selected];
  if (before) {
    before.setAttribute("aria-selected", "false");
    before.tabIndex = -1;
  }
  state.selected = position;
  const token = tokens[position];
  if (token) {
    token.setAttribute("aria-selected", "true");
    token.tabIndex = 0;
    if (focus) token.focus();
  }
  if (state.head !== null) for (let i = 0; i < tokens.length; i++) shade(i);
  drawBars();
  markRows();
  tellHead();
}

// -- Bars -------------------------------------------------------------------------------------------------------------

function drawBars() {
  const { ids, selected } = state;
  $("bars").replaceChildren();
  if (selected < 0) {
    $("after").textContent = "Write something, and the likeliest next tokens stand here.";
    return;
  }
  const distribution = probabilities(predictionAfter(selected), temperature());
  const next = ids[selected + 1];
  const from = Math.max(0, selected - 7);
  const context = (from > 0 ? "\u2026" : "") + tokenizer.decode(ids.slice(from, selected + 1));
  $("after").textContent = `After \u201c${context}\u201d:`;
  if (next !== undefined) {
    const share = distribution[next];
    const nats = share > 0 ? `, ${(-Math.log(share)).toFixed(2)} nats of surprise` : "";
    $("after").append(` here came \u201c${shown(next)}\u201d (${percent(share)}${nats}).`);
  }
  const listed = likeliest(distribution, N_BARS).filter((id) => distribution[id] > 0);
  if (next !== undefined && !listed.includes(next)) listed.push(next);
  for (const id of listed) {
    const bar = make("button", { type: "button", className: id === next ? "taken" : "" }, [
      make("span", { className: "piece", text: shown(id) }),
      make("span", { className: "number", text: percent(distribution[id]) }),
    ]);
    bar.style.setProperty("--share", distribution[id]);
    bar.addEventListener("click", () => goOnWith(id));
    $("bars").append(make("li", {}, [bar]));
  }
}

/** Continue with a token of one's own choice after the selected one; what stood there is cut off. */
function goOnWith(id) {
  if (state.busy) return;
  const position = state.selected + 1;
  if (position >= about.max_tokens) {
    say(`The context of ${about.max_tokens} tokens is full. Select an earlier token, or start over.`);
    return;
  }
  cut(position);
  state.given = Math.min(state.given, position);
  read(id);
  select(position);
  say("");
}

// -- Heads ------------------------------------------------------------------------------------------------------------

const maps = []; // {layer, head, canvas, row, button}

function makeHeads() {
  maps.length = 0;
  state.head = null;
  $("heads").replaceChildren();
  for (let layer = 0; layer < about.config.n_layers; layer++) {
    for (let head = 0; head < about.config.n_heads; head++) {
      const canvas = make("canvas", { width: 16, height: 16 });
      const row = make("span", { className: "row", hidden: true });
      const label = `layer ${layer + 1}, head ${head + 1}`;
      const button = make("button", { type: "button" }, [make("span", { className: "map" }, [canvas, row]), label]);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => chooseHead(layer, head));
      $("heads").append(button);
      maps.push({ layer, head, canvas, row, button });
    }
  }
}

/** The side of the squares, which the text fits into; it grows by a quarter, so that few tokens redraw everything. */
function side() {
  let pixels = 16;
  while (pixels < state.ids.length) pixels = Math.ceil(1.25 * pixels);
  return pixels;
}

/** Read the color of the heads from the stylesheet; to ask at every token would make the browser lay out the page. */
function useColors() {
  state.color = getComputedStyle(document.documentElement).getPropertyValue("--head").split(",").map(Number);
  drawAllHeads();
}

/** Draw the attention of one token: a row of pixels in each square. */
function drawRow(position) {
  if (maps[0].canvas.width !== side()) {
    drawAllHeads();
    return;
  }
  for (const { layer, head, canvas } of maps) {
    const weights = state.weights[position][layer][head];
    const pixels = new ImageData(weights.length, 1);
    weights.forEach((weight, s) => pixels.data.set([...state.color, 255 * Math.sqrt(weight)], 4 * s));
    canvas.getContext("2d").putImageData(pixels, 0, position);
  }
}

function drawAllHeads() {
  for (const { canvas } of maps) canvas.width = canvas.height = side(); // which also clears it
  for (let position = 0; position < state.weights.length; position++) drawRow(position);
  markRows();
}

function markRows() {
  for (const { row } of maps) {
    row.hidden = state.selected < 0;
    row.style.top = `${(100 * (state.selected + 0.5)) / side()}%`;
  }
}

function chooseHead(layer, head) {
  const same = state.head !== null && state.head.layer === layer && state.head.head === head;
  state.head = same ? null : { layer, head };
  for (const map of maps) {
    map.button.setAttribute("aria-pressed", String(!same && map.layer === layer && map.head === head));
  }
  for (let i = 0; i < state.ids.length; i++) shade(i);
  tellHead();
}

/** What the chosen head does at the selected token, in words. */
function tellHead() {
  const { head, selected, ids, weights } = state;
  $("head-says").textContent = "";
  if (head === null || selected < 0) return;
  const row = weights[selected][head.layer][head.head];
  const most = likeliest(row, 3).filter((s) => row[s] >= 0.005);
  const parts = most.map((s) => `\u201c${shown(ids[s])}\u201d ${percent(row[s])}`);
  const who = `Layer ${head.layer + 1}, head ${head.head + 1}: \u201c${shown(ids[selected])}\u201d`;
  $("head-says").textContent = `${who} attends most to ${parts.join(", ")}.`;
}

// -- Start ------------------------------------------------------------------------------------------------------------

function describe() {
  const by = [data.author && `Trained by ${data.author}`, data.date].filter(Boolean).join(", ");
  $("by").textContent = by || "A language model that runs in this page.";
  const { config } = about;
  const facts = {
    parameters: grouped(about.parameters),
    layers: `${config.n_layers}, with ${config.n_heads} heads each`,
    vocabulary: `${grouped(config.vocab_size)} tokens`,
    context: `${grouped(about.max_tokens)} tokens`,
    "made with": "minillm publish",
  };
  $("facts").replaceChildren();
  for (const [name, value] of Object.entries(facts)) {
    $("facts").append(make("dt", { text: name }), make("dd", { text: value }));
  }
}

function label() {
  $("beginning-label").textContent = asksQuestion()
    ? "Type a question"
    : `Type a beginning${about.begin.length ? ", or leave it empty" : ""}`;
}

function startOver() {
  cut(0);
  state.given = 0;
  select(-1);
  say("");
}

function listen() {
  $("write").addEventListener("click", () => (state.busy ? (state.busy = false) : write(Infinity)));
  $("one").addEventListener("click", () => write(1));
  $("clear").addEventListener("click", () => {
    startOver();
    $("beginning").focus();
  });
  $("temperature").addEventListener("input", () => {
    $("temperature-value").textContent = temperature().toFixed(1);
    drawBars();
  });
  onEnter("beginning", () => write(Infinity));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") state.busy = false;
  });
  $("text").addEventListener("click", (event) => {
    const position = [...$("text").children].indexOf(event.target);
    if (position >= 0) select(position, true);
  });
  $("text").addEventListener("keydown", (event) => {
    const last = state.ids.length - 1;
    const to = { ArrowLeft: state.selected - 1, ArrowRight: state.selected + 1, Home: 0, End: last }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    select(Math.min(Math.max(to, 0), last), true);
  });
  $("model").addEventListener("change", switchModel);
  for (const radio of document.querySelectorAll("input[name=mode]")) radio.addEventListener("change", label);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", useColors);
  for (const text of data.beginnings) {
    const button = make("button", { type: "button", text });
    button.addEventListener("click", () => {
      if (state.busy) return;
      $("beginning").value = text;
      write(Infinity);
    });
    $("beginnings").append(button);
  }
}

for (const [index, { label: text }] of data.models.entries()) $("model").append(make("option", { text, value: index }));
$("switch").hidden = data.models.length === 1;
$("beginnings").hidden = data.beginnings.length === 0;
useModel(0);
useColors();
if (data.truth !== null) showTruth();
listen();
drawBars();
$("starting").hidden = true;
document.querySelector("main").hidden = false;
if (($("beginning").value = data.beginnings[0] ?? "")) write(0); // bars and heads have something to show at once
