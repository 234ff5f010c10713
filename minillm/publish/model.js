/* A language model in one file: tokenizer, forward pass with a KV cache, sampling. No library, no build step.
 *
 * It computes what minillm/tokenizer/, minillm/model/ and minillm/inference/ compute, in the same order and with the
 * same names, so you can read it beside them; tests hold it to PyTorch, logit for logit. It writes for one reader, one
 * token at a time, so there is no batch: a vector of the model is a Float32Array.
 *
 * Shapes: C d_model, H query heads, K key/value heads, D head dim, F feed-forward dim, V vocabulary, L layers,
 * t the position of the new token, counted from 0.
 */
"use strict";

// -- Files: numbers out of bytes --------------------------------------------------------------------------------------

/** The number that 16 bits stand for: 1 sign bit, 5 exponent bits, 10 fraction bits (IEEE 754 binary16). */
function halfToFloat(bits) {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24; // the numbers around zero
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The tensors of a safetensors file in float16, by name: {data: Float32Array, shape: [rows, columns]}.
 *
 * The format: 8 bytes say how long the header is; the header is JSON and says where each tensor begins and ends; after
 * it come the numbers, row by row, little-endian.
 */
function readSafetensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const tensors = new Map();
  for (const [name, about] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (about.dtype !== "F16") throw new Error(`${name} is stored as ${about.dtype}; this reader knows F16 only`);
    const [first, end] = about.data_offsets;
    const data = new Float32Array((end - first) / 2);
    for (let i = 0; i < data.length; i++) data[i] = halfToFloat(view.getUint16(start + first + 2 * i, true));
    tensors.set(name, { data, shape: about.shape });
  }
  return tensors;
}

// -- Tokenizer: text to ids and back ----------------------------------------------------------------------------------

const SPACE = "\\p{White_Space}"; // what Python's `regex` calls \s; JavaScript's own \s differs in two characters
const CONTRACTIONS = "'[sS\u017F]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"; // U+017F is a long s

/** How a text is cut into words, inside which merges happen; see minillm/tokenizer/pre_tokenizers.py. */
const PATTERNS = {
  gpt2:
    `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+` +
    `|${SPACE}+(?!\\P{White_Space})|${SPACE}+`,
  smollm:
    `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+|\\p{N}| ?[^${SPACE}\\p{L}\\p{N}]+` +
    `|${SPACE}+(?![^${SPACE}\\p{N}])|${SPACE}+`,
  llama3:
    `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n]*` +
    `|${SPACE}*[\\r\\n]+|${SPACE}+(?!\\P{White_Space})|${SPACE}+`,
  qwen2:
    `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^${SPACE}\\p{L}\\p{N}]+[\\r\\n]*` +
    `|${SPACE}*[\\r\\n]+|${SPACE}+(?!\\P{White_Space})|${SPACE}+`,
};

/** GPT-2's alphabet: a printable character for each of the 256 bytes, so that a token can be written down.
 *
 * Bytes that print as one character stand for themselves; the others get the characters from U+0100 on.
 */
function byteAlphabet() {
  const prints = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(prints(byte) ? byte : next++));
}

/** Byte-level BPE (minillm/tokenizer/byte_level.py). Special tokens in a text are ordinary text: nobody forges one. */
class Tokenizer {
  /** `file` holds tokens (spelled, by id), merges, special_tokens ({text: id}), pattern, ignore_merges, normalizer. */
  constructor(file) {
    this.file = file;
    this.special = new Map(Object.entries(file.special_tokens).map(([text, id]) => [id, text]));
    this.ids = new Map();
    file.tokens.forEach((token, id) => {
      if (token !== null && !this.special.has(id)) this.ids.set(token, id);
    });
    this.rank = new Map(file.merges.map((pair, rank) => [pair, rank])); // "a b" -> when it was learned
    this.pattern = new RegExp(PATTERNS[file.pattern], "gu");
    this.characters = byteAlphabet();
    this.bytes = new Map(this.characters.map((character, byte) => [character, byte]));
  }

  /** The ids of a text. */
  encode(text) {
    return this.words(text).flatMap((word) => this.encodeWord(word));
  }

  /** The words of a text, inside which merges happen. */
  words(text) {
    const composed = this.file.normalizer === "NFC" ? text.normalize("NFC") : text;
    return composed.match(this.pattern) ?? [];
  }

  /** The ids of one word: its bytes, then merges in the order in which they were learned. */
  encodeWord(word) {
    let parts = Array.from(new TextEncoder().encode(word), (byte) => this.characters[byte]);
    if (this.file.ignore_merges && this.ids.has(parts.join(""))) return [this.ids.get(parts.join(""))];
    for (;;) {
      // find the pair of neighbors that was learned first
      let best = Infinity;
      for (let i = 0; i + 1 < parts.length; i++) {
        best = Math.min(best, this.rank.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity);
      }
      if (best === Infinity) break;
      // merge it wherever it occurs, from left to right
      const pair = this.file.merges[best];
      const merged = [];
      for (let i = 0; i < parts.length; i++) {
        const here = i + 1 < parts.length && `${parts[i]} ${parts[i + 1]}` === pair;
        merged.push(here ? parts[i] + parts[++i] : parts[i]);
      }
      parts = merged;
    }
    return parts.map((part) => {
      if (!this.ids.has(part)) throw new Error(`this vocabulary has no token for a part of ${JSON.stringify(word)}`);
      return this.ids.get(part);
    });
  }

  /** The text of ids; bytes that are no UTF-8 (half of a character, say) show as "\ufffd". */
  decode(ids) {
    const bytes = ids.flatMap((id) => this.bytesOf(id));
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
  }

  /** The bytes that one id stands for; none for a row of the model's table without a token. */
  bytesOf(id) {
    if (this.special.has(id)) return Array.from(new TextEncoder().encode(this.special.get(id)));
    return Array.from(this.file.tokens[id] ?? "", (character) => this.bytes.get(character));
  }
}

// -- Layers: vectors to vectors ---------------------------------------------------------------------------------------

/** W x + b: one dot product for each row of W. All the time goes here, so four sums run side by side. */
function linear({ weight, bias }, x) {
  const [rows, columns] = weight.shape;
  const w = weight.data;
  const y = new Float32Array(rows);
  const inFours = columns - (columns % 4);
  for (let row = 0, at = 0; row < rows; row++) {
    let a = 0, b = 0, c = 0, d = 0;
    let i = 0;
    for (; i < inFours; i += 4, at += 4) {
      a += w[at] * x[i];
      b += w[at + 1] * x[i + 1];
      c += w[at + 2] * x[i + 2];
      d += w[at + 3] * x[i + 3];
    }
    for (; i < columns; i++, at++) a += w[at] * x[i];
    y[row] = a + b + c + d + (bias ? bias.data[row] : 0);
  }
  return y;
}

/** Divide by the root mean square, then scale each coordinate (minillm/model/norm.py). */
function rmsNorm({ weight }, x, eps) {
  let squares = 0;
  for (const number of x) squares += number * number;
  const scale = 1 / Math.sqrt(squares / x.length + eps);
  return x.map((number, i) => number * scale * weight.data[i]);
}

/** Turn each pair of coordinates (i, i + D/2) of a head by its angle, in place (minillm/model/position.py). */
function rotate(head, cos, sin) {
  const half = cos.length;
  for (let i = 0; i < half; i++) {
    const first = head[i], second = head[i + half];
    head[i] = first * cos[i] - second * sin[i];
    head[i + half] = second * cos[i] + first * sin[i];
  }
}

/** exp(z / temperature), divided by its sum; the largest is subtracted first, so that nothing overflows. */
function softmax(z, temperature = 1) {
  let largest = -Infinity;
  for (const number of z) largest = Math.max(largest, number);
  const weights = new Float64Array(z.length);
  let sum = 0;
  for (let i = 0; i < z.length; i++) sum += weights[i] = Math.exp((z[i] - largest) / temperature);
  for (let i = 0; i < z.length; i++) weights[i] /= sum;
  return weights;
}

/** Keys and values of the tokens so far, of each layer: what a new token attends to (minillm/model/kv_cache.py).
 *
 * To go back to an earlier token, set `length`: what comes after it is overwritten.
 */
class KVCache {
  constructor(config, maxLength) {
    this.length = 0;
    this.maxLength = maxLength;
    this.width = config.n_kv_heads * config.d_head; // K x D numbers per token
    const empty = () => new Float32Array(maxLength * this.width);
    this.keys = Array.from({ length: config.n_layers }, empty);
    this.values = Array.from({ length: config.n_layers }, empty);
  }
}

/** A decoder-only transformer of Llama's or Qwen3's shape: RMSNorm, rotary positions, SwiGLU, grouped queries. */
class Transformer {
  /** `config` holds the numbers of minillm/config.py, `tensors` the weights under the names of the Python model. */
  constructor(config, tensors) {
    const layer = (name) => ({ weight: tensors.get(`${name}.weight`), bias: tensors.get(`${name}.bias`) });
    const norm = (name) => (tensors.has(`${name}.weight`) ? layer(name) : null);
    this.config = config;
    this.embedding = layer("embedding");
    this.blocks = Array.from({ length: config.n_layers }, (_, l) => {
      const name = `blocks.${l}`;
      return {
        attentionNorm: layer(`${name}.attention_norm`),
        query: layer(`${name}.attention.query`),
        key: layer(`${name}.attention.key`),
        value: layer(`${name}.attention.value`),
        output: layer(`${name}.attention.output`),
        queryNorm: norm(`${name}.attention.query_norm`),
        keyNorm: norm(`${name}.attention.key_norm`),
        feedforwardNorm: layer(`${name}.feedforward_norm`),
        gate: layer(`${name}.feedforward.gate`),
        up: layer(`${name}.feedforward.up`),
        down: layer(`${name}.feedforward.down`),
      };
    });
    this.finalNorm = layer("final_norm");
    this.head = config.tie_embeddings ? this.embedding : layer("head");
  }

  newCache(maxLength = this.config.max_seq_len) {
    return new KVCache(this.config, maxLength);
  }

  /** Read one token after those in the cache: {logits: V numbers, weights: attention by layer and head}.
   *
   * The logits score every token for the next position. weights[l][h] has one number for each token that head h of
   * layer l saw, the last of which is the new token itself.
   */
  step(id, cache) {
    const { d_model: C, norm_eps: eps } = this.config;
    const t = cache.length;
    if (t >= cache.maxLength) throw new Error(`the context of ${cache.maxLength} tokens is full`);
    const angles = this.angles(t);
    const weights = [];
    let x = this.embedding.weight.data.slice(id * C, (id + 1) * C); // the residual stream, C numbers
    for (const [l, block] of this.blocks.entries()) {
      const attended = this.attention(block, rmsNorm(block.attentionNorm, x, eps), l, cache, angles);
      weights.push(attended.weights);
      x = add(x, attended.y);
      x = add(x, feedForward(block, rmsNorm(block.feedforwardNorm, x, eps)));
    }
    cache.length = t + 1;
    return { logits: linear(this.head, rmsNorm(this.finalNorm, x, eps)), weights };
  }

  /** Cosine and sine of the angle of each pair of coordinates at position t: t theta^(-2i / D). */
  angles(t) {
    const { d_head: D, rope_theta: theta } = this.config;
    const angles = Float64Array.from({ length: D / 2 }, (_, i) => t * theta ** ((-2 * i) / D));
    return { cos: angles.map(Math.cos), sin: angles.map(Math.sin) };
  }

  /** A weighted mean of the values of the tokens so far, by the match of the new query with their keys. */
  attention(block, x, l, cache, { cos, sin }) {
    const { n_heads: H, n_kv_heads: K, d_head: D, norm_eps: eps, sliding_window: window } = this.config;
    const t = cache.length;
    const headsOf = (vector, norm) => {
      for (let start = 0; start < vector.length; start += D) {
        const head = vector.subarray(start, start + D);
        if (norm) head.set(rmsNorm(norm, head, eps));
        rotate(head, cos, sin);
      }
      return vector;
    };
    const query = headsOf(linear(block.query, x), block.queryNorm); // H x D
    const keys = cache.keys[l], values = cache.values[l]; // tokens x K x D
    keys.set(headsOf(linear(block.key, x), block.keyNorm), t * cache.width);
    values.set(linear(block.value, x), t * cache.width);

    const first = window ? Math.max(0, t - window + 1) : 0; // a sliding window hides what is further back
    const mean = new Float32Array(H * D);
    const weights = [];
    for (let h = 0; h < H; h++) {
      const group = Math.floor(h / (H / K)) * D; // H / K query heads share a key/value head
      const scores = new Float32Array(t + 1).fill(-Infinity);
      for (let s = first; s <= t; s++) {
        let product = 0;
        for (let i = 0; i < D; i++) product += query[h * D + i] * keys[s * cache.width + group + i];
        scores[s] = product / Math.sqrt(D);
      }
      const share = new Float32Array(softmax(scores));
      for (let s = first; s <= t; s++) {
        for (let i = 0; i < D; i++) mean[h * D + i] += share[s] * values[s * cache.width + group + i];
      }
      weights.push(share);
    }
    return { y: linear(block.output, mean), weights };
  }
}

/** down(SiLU(gate(x)) * up(x)): each position by itself (minillm/model/feedforward.py). */
function feedForward(block, x) {
  const up = linear(block.up, x); // F numbers
  const gate = linear(block.gate, x);
  return linear(block.down, gate.map((z, i) => (z / (1 + Math.exp(-z))) * up[i]));
}

/** x + y. */
function add(x, y) {
  return x.map((number, i) => number + y[i]);
}

// -- Sampling: logits to the next token -------------------------------------------------------------------------------

/** The distribution that a token is drawn from. Temperature 0 puts all of it on the likeliest token. */
function probabilities(logits, temperature) {
  if (temperature > 0) return softmax(logits, temperature);
  const likeliest = logits.indexOf(logits.reduce((largest, number) => Math.max(largest, number)));
  return Float64Array.from(logits, (_, id) => (id === likeliest ? 1 : 0));
}

/** Draw an id: the probabilities are intervals that divide 0 to 1, and `uniform` (below 1) falls into one of them. */
function choose(distribution, uniform) {
  let cumulative = 0;
  let last = 0;
  for (const [id, probability] of distribution.entries()) {
    cumulative += probability;
    if (probability > 0) last = id;
    if (uniform < cumulative) return id;
  }
  return last; // rounding: the sum may end a little below 1
}

/** The ids of the k likeliest tokens, the likeliest first; of two that tie, the lower id. */
function likeliest(distribution, k) {
  const best = [];
  for (let id = 0; id < distribution.length; id++) {
    if (best.length === k && distribution[id] <= distribution[best[k - 1]]) continue; // most ids end here
    let place = best.length;
    while (place > 0 && distribution[best[place - 1]] < distribution[id]) place--;
    best.splice(place, 0, id);
    best.length = Math.min(best.length, k);
  }
  return best;
}

if (typeof module !== "undefined") {
  module.exports = { readSafetensors, Tokenizer, Transformer, softmax, probabilities, choose, likeliest };
}
