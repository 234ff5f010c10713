/* Computes the exact next words of the course's world in a browser: a worker, so that the page stays responsive.
 *
 * It runs the package's own Python, minillm/world/, in Pyodide. All it needs lies beside this file
 * (tools/make_site.py puts it there), and nothing else is requested. Each message is a text; the answer is one of
 *
 *     { text, next: [[word, probability], ...] }     the likeliest first; "" is the end of the document
 *     { text, next: [], agreed }                     no document begins like this; `agreed` are the words that one does
 *     { text, error }
 */
import { loadPyodide } from "./pyodide.mjs";

const PROGRAM = `
import json
from minillm.world.reading import PIECE
from minillm.world.world import World

world = World(0)

def next_words(text):
    found = sorted(world.next_pieces(text).items(), key=lambda item: (-item[1], item[0]))
    return json.dumps({"next": found} if found else {"next": [], "agreed": agreed(text)})

def agreed(text):
    """The most whole words of a text that a document begins with, by bisection: fewer of them fit, too."""
    pieces = PIECE.findall(text)
    fit, too_many = 0, len(pieces)
    while too_many - fit > 1:
        middle = (fit + too_many) // 2
        if world.next_pieces("".join(pieces[:middle])):
            fit = middle
        else:
            too_many = middle
    return "".join(pieces[:fit])

next_words
`;

/** Start Python, unpack the world, and return the function that answers. */
async function start() {
  const here = new URL("./", import.meta.url).href;
  const python = await loadPyodide({ indexURL: here });
  const response = await fetch(`${here}world.zip`);
  if (!response.ok) throw new Error(`world.zip: ${response.status}`);
  python.unpackArchive(await response.arrayBuffer(), "zip");
  return python.runPython(PROGRAM);
}

const ready = start();

self.addEventListener("message", async ({ data: text }) => {
  try {
    const nextWords = await ready;
    self.postMessage({ text, ...JSON.parse(nextWords(text)) });
  } catch (error) {
    self.postMessage({ text, error: String(error.message ?? error) });
  }
});
