// Runs the first script of a published page (model.js) in Node: node answer.js PAGE.html LOGITS.bin < questions.json
// Questions: encode and words (texts), decode (lists of ids), read (lists of ids, whose logits go to LOGITS.bin as float32, row by
// row), choose ([logits, temperature, uniform]), likeliest ([numbers, k]). The answers are printed as JSON.
"use strict";
const fs = require("node:fs");

const [page, logitsFile] = process.argv.slice(2);
const html = fs.readFileSync(page, "utf8");
const inside = (opening) => {
  const start = html.indexOf(opening) + opening.length;
  return html.slice(start, html.indexOf("</script>", start));
};
const library = { exports: {} };
new Function("module", inside("<script>"))(library);
const { readSafetensors, Tokenizer, Transformer, probabilities, choose, likeliest } = library.exports;
const about = JSON.parse(inside('<script type="application/json" id="data">')).models[0];
const weights = Buffer.from(inside('<script type="text/plain" id="weights0">'), "base64");
const tokenizer = new Tokenizer(about.tokenizer);
const model = new Transformer(about.config, readSafetensors(new Uint8Array(weights)));

const questions = JSON.parse(fs.readFileSync(0, "utf8"));
const attention = [];
const begun = performance.now();
let tokens = 0;
const file = fs.openSync(logitsFile, "w");
for (const ids of questions.read ?? []) {
  const cache = model.newCache(ids.length);
  let last;
  for (const id of ids) {
    last = model.step(id, cache);
    fs.writeSync(file, last.logits);
    tokens++;
  }
  attention.push(last.weights.map((layer) => layer.map((head) => Array.from(head))));
}
fs.closeSync(file);
const answers = {
  encode: (questions.encode ?? []).map((text) => tokenizer.encode(text)),
  words: (questions.words ?? []).map((text) => tokenizer.words(text)),
  decode: (questions.decode ?? []).map((ids) => tokenizer.decode(ids)),
  choose: (questions.choose ?? []).map(([z, temperature, uniform]) => choose(probabilities(z, temperature), uniform)),
  likeliest: (questions.likeliest ?? []).map(([z, k]) => likeliest(z, k)),
  attention, // of the last token of each text: by layer, head and token
  tokens_per_second: tokens / ((performance.now() - begun) / 1000),
};
console.log(JSON.stringify(answers));
