/* The truth beside the model, for text whose exact probabilities are known: bars, a distance in nats, and a game. */
"use strict";

const N_PAIRS = 8; // tokens listed, by truth and by model
const N_QUESTIONS = 20;
const PLAYERS = ["you", "a bigram model", "the model", "the truth"];

/** The first token of a word; "" stands for the end of the document. */
function firstToken(word) {
  return word === "" ? about.bos : tokenizer.encode(word)[0];
}

/** The model's distribution of the next token after a document's beginning. */
function nextAfter(text) {
  const ids = [about.bos, ...tokenizer.encode(text)].slice(0, about.max_tokens);
  const scratch = model.newCache(ids.length);
  let logits;
  for (const id of ids) logits = model.step(id, scratch).logits;
  return softmax(logits);
}

/** The true distribution of the next token: words that begin with the same token are added up. */
function trueTokens(words) {
  const p = new Map();
  for (const [word, share] of words) p.set(firstToken(word), (p.get(firstToken(word)) ?? 0) + share);
  return p;
}

/** The entropy of the true distribution p, and the KL divergence from it to the model's q, both in nats. */
function distance(p, q) {
  let entropy = 0, lost = 0;
  for (const [id, share] of p) {
    entropy -= share * Math.log(share);
    lost += share * Math.log(share / q[id]);
  }
  return { entropy, lost: Math.max(0, lost) };
}

/** A cell with a number and a bar. */
function cell(share, className) {
  const made = make("td", { className: `bar ${className}`, text: share === undefined ? "" : percent(share) });
  made.style.setProperty("--share", share ?? 0);
  return made;
}

/** A table with a row for each [name, shares], and a heading for each share. */
function table(headings, rows) {
  const top = make("tr", {}, ["", ...headings].map((text) => make("th", { text, scope: "col" })));
  const body = rows.map(({ name, shares, chosen }) => {
    const cells = shares.map((share, i) => cell(share, i === shares.length - 1 ? "truth" : ""));
    return make("tr", { className: chosen ? "taken" : "" }, [make("th", { text: name, scope: "row" }), ...cells]);
  });
  return [make("thead", {}, [top]), make("tbody", {}, body)];
}

/** Show the chosen beginning: the model's bars beside the true ones. */
function compareNext() {
  const { text, next } = data.truth.beginnings[Number($("compare-beginning").value)];
  const p = trueTokens(next);
  const q = nextAfter(text);
  const listed = new Set([...p.keys()].sort((a, b) => p.get(b) - p.get(a)).slice(0, N_PAIRS));
  for (const id of likeliest(q, N_PAIRS)) if (q[id] >= 0.01) listed.add(id);
  const rows = [...listed].map((id) => ({ name: shown(id), shares: [q[id], p.get(id) ?? 0] }));
  $("compare-text").textContent = text === "" ? "(the beginning of a document)" : `${text} \u2026`;
  $("compare-bars").replaceChildren(...table(["the model", "the truth"], rows));
  const { entropy, lost } = distance(p, q);
  const possible = p.size === 1 ? "One token can" : `${p.size} tokens can`;
  $("compare-says").textContent =
    `${possible} come next. The entropy of the truth is ${entropy.toFixed(3)} nats, the cross-entropy of this model ` +
    `${(entropy + lost).toFixed(3)}: the difference, the KL divergence, is ${lost.toFixed(3)} nats.`;
}

// -- The truth after any beginning ------------------------------------------------------------------------------------

let calculator = null; // the worker that runs the world's program, once somebody has asked it

/** Compare after the text that was typed: one of the list, or one whose truth the worker computes. */
function compareTyped() {
  if ($("exact-ask").disabled) return;
  const text = $("exact-text").value.replace(/ +$/, ""); // a space belongs to the next word
  const listed = data.truth.beginnings.findIndex((row) => row.text === text);
  if (listed >= 0) {
    chooseBeginning(listed);
    return;
  }
  try {
    const length = tokenizer.encode(text).length + 1;
    if (length > about.max_tokens) {
      tellExact(`This beginning has ${length} tokens; the context holds ${about.max_tokens}. Shorten it.`);
      return;
    }
  } catch (error) {
    tellExact(`${error.message}; take that character out.`);
    return;
  }
  tellExact(calculator === null ? "Python is starting in this page (12 MB to load, once)." : "Computing.");
  $("exact-ask").disabled = true;
  try {
    calculator ??= startCalculator();
    calculator.postMessage(text);
  } catch (error) {
    exactFailed(error.message); // such as in a page that was opened as a file
  }
}

/** The worker; it answers each text with { text, next }, { text, agreed } or { text, error }. */
function startCalculator() {
  const worker = new Worker(data.worker, { type: "module" });
  worker.addEventListener("message", ({ data: answer }) => exactAnswered(answer));
  worker.addEventListener("error", (event) => exactFailed(event.message ?? "its script did not load"));
  return worker;
}

function exactAnswered({ text, next, agreed, error }) {
  if (error !== undefined) {
    exactFailed(error);
    return;
  }
  $("exact-ask").disabled = false;
  if (next.length === 0) {
    const fits = agreed === "" ? "" : ` One does begin with \u201c${agreed}\u201d.`;
    tellExact(`No document of this world begins like that, so no next word has a probability.${fits}`);
    return;
  }
  data.truth.beginnings.push({ text, next });
  listBeginning(data.truth.beginnings.length - 1);
  chooseBeginning(data.truth.beginnings.length - 1);
}

function exactFailed(why) {
  calculator?.terminate();
  calculator = null;
  $("exact-ask").disabled = false;
  tellExact(`Python did not start here, so only the beginnings of the list have a truth (${why}).`);
}

function tellExact(text) {
  $("exact-says").textContent = text;
}

/** Select a beginning of the list and show it. */
function chooseBeginning(index) {
  $("compare-beginning").value = index;
  tellExact("");
  compareNext();
}

/** Let Enter act in a text area; with Shift it begins a new line. */
function onEnter(id, act) {
  $(id).addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      act();
    }
  });
}

/** Put a beginning into the list. */
function listBeginning(value) {
  const { text } = data.truth.beginnings[value];
  const short = text.length > 40 ? `\u2026${text.slice(-40)}` : text;
  $("compare-beginning").append(make("option", { value, text: short || "(the beginning of a document)" }));
}

// -- The game ---------------------------------------------------------------------------------------------------------

const game = { questions: [], at: 0, nats: [0, 0, 0, 0], answered: false };

/** The share of each option if somebody picks one of them and is this sure of it. */
function sharesOf(picked, sure, n) {
  return Array.from({ length: n }, (_, i) => (i === picked ? sure : (1 - sure) / (n - 1)));
}

/** Take the first questions whose options begin with different tokens, so that the model can tell them apart. */
function startGame() {
  const apart = ({ options }) => new Set(options.map(firstToken)).size === options.length;
  Object.assign(game, { questions: data.truth.questions.filter(apart).slice(0, N_QUESTIONS), at: 0 });
  game.nats = PLAYERS.map(() => 0);
  ask();
}

function ask() {
  const { text, options } = game.questions[game.at];
  game.answered = false;
  $("game-text").textContent = `${text} \u2026`;
  $("game-says").textContent = `Question ${game.at + 1} of ${game.questions.length}: which word comes next?`;
  $("game-table").replaceChildren();
  $("game-next").hidden = true;
  $("game-options").replaceChildren();
  for (const [i, word] of options.entries()) {
    const button = make("button", { type: "button", text: word.trim() });
    button.addEventListener("click", () => answer(i));
    $("game-options").append(button);
  }
}

/** Score a guess: each player's loss is the negative log-probability of the word that came, in nats. */
function answer(picked) {
  if (game.answered) return;
  game.answered = true;
  const question = game.questions[game.at];
  const q = nextAfter(question.text);
  const mass = question.options.map((word) => q[firstToken(word)]);
  const sum = mass.reduce((total, share) => total + share, 0);
  const sure = Number(document.querySelector("input[name=sure]:checked").value);
  const columns = [
    sharesOf(picked, sure, mass.length),
    question.bigram,
    mass.map((share) => share / sum),
    question.truth,
  ];
  columns.forEach((shares, player) => (game.nats[player] -= Math.log(shares[question.answer])));
  const rows = question.options.map((word, i) => {
    return { name: word.trim(), shares: columns.map((shares) => shares[i]), chosen: i === question.answer };
  });
  $("game-table").replaceChildren(...table(PLAYERS, rows));
  $("game-options").replaceChildren();
  game.at++;
  const over = game.at === game.questions.length;
  const came = question.options[question.answer].trim();
  const losses = `${over ? "Losses of all questions" : "Losses so far"}, in nats: ${ranking()}.`;
  const verdict = picked === question.answer ? "Right." : "Not your word.";
  $("game-says").textContent = `It was \u201c${came}\u201d. ${verdict} ${losses}`;
  $("game-next").textContent = over ? "Play again" : "Next";
  $("game-next").hidden = false;
  $("game-next").focus();
}

/** The players by their summed losses, the lowest first. */
function ranking() {
  const order = [...PLAYERS.keys()].sort((a, b) => game.nats[a] - game.nats[b]);
  return order.map((player) => `${PLAYERS[player]} ${game.nats[player].toFixed(2)}`).join(", ");
}

/** Fill both sections, once. */
function showTruth() {
  for (const value of data.truth.beginnings.keys()) listBeginning(value);
  if (data.worker !== null) {
    $("exact-ask").addEventListener("click", compareTyped);
    onEnter("exact-text", compareTyped);
  }
  $("compare-beginning").addEventListener("change", compareNext);
  $("game-next").addEventListener("click", () => (game.at === game.questions.length ? startGame() : ask()));
  $("compare").hidden = $("game").hidden = false;
  compareNext();
  startGame();
}
