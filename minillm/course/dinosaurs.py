"""Dinosaurs for lesson 00b, and the small network that invents more: three letters in, the next letter out.

TRAINING, HELD_OUT   names of real genera: 120 to learn from, and 40, drawn at random, that no network is trained on
windows()            the examples in a list of names: three letters, and the letter that follows
start(), forward()   the network: two layers with tanh between them
trained()            the same network after some steps, by torch's own autograd
invent()             let a network write names
copies()             how many of those are names that it was trained on
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.errors import UserError

LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the dot stands before and after a name
V, CONTEXT, F = len(LETTERS), 3, 64  # letters, letters that the network sees, numbers in its hidden layer
C = CONTEXT * V  # numbers in an input
LONGEST = 24  # letters of an invented name

Weights = Sequence[Tensor]  # W1 (C, F), b1 (F,), W2 (F, V), b2 (V,)

_TRAINING = """
acrocanthosaurus albertosaurus allosaurus amargasaurus apatosaurus argentinosaurus aucasaurus avaceratops avimimus
bambiraptor baryonyx borogovia brachiosaurus brontosaurus buitreraptor camptosaurus carcharodontosaurus carnotaurus
caudipteryx ceratosaurus chasmosaurus citipati coelophysis cryolophosaurus deinocheirus diabloceratops dicraeosaurus
diplodocus dracorex dreadnoughtus dromaeosaurus dromiceiomimus edmontonia edmontosaurus einiosaurus eoraptor
eotyrannus euhelopus europasaurus gallimimus gargoyleosaurus gasparinisaura gastonia giganotosaurus gigantoraptor
gorgosaurus hadrosaurus heterodontosaurus hypacrosaurus hypsilophodon iguanodon irritator janenschia jobaria
kentrosaurus kosmoceratops kritosaurus lambeosaurus leaellynasaura leptoceratops lesothosaurus lufengosaurus maiasaura
majungasaurus mamenchisaurus mapusaurus massospondylus megalosaurus microraptor minmi monolophosaurus muttaburrasaurus
nanuqsaurus nasutoceratops nigersaurus nothronychus opisthocoelicaudia ornitholestes ornithomimus orodromeus oviraptor
pachycephalosaurus pachyrhinosaurus parasaurolophus patagotitan pentaceratops polacanthus protoceratops psittacosaurus
pyroraptor rajasaurus rhabdodon saurolophus saurophaganax scipionyx scutellosaurus segnosaurus shantungosaurus
shunosaurus sinornithosaurus sinosauropteryx spinosaurus stegoceras styracosaurus suchomimus talarurus telmatosaurus
tenontosaurus therizinosaurus thescelosaurus torosaurus troodon tsintaosaurus tyrannosaurus udanoceratops velociraptor
vulcanodon wuerhosaurus yangchuanosaurus yinlong
"""
_HELD_OUT = """
abelisaurus achelousaurus afrovenator ankylosaurus bagaceratops brachylophosaurus camarasaurus centrosaurus
cetiosaurus compsognathus corythosaurus daspletosaurus deinonychus dilophosaurus dryosaurus euoplocephalus fukuiraptor
gryposaurus herrerasaurus isisaurus mononykus neovenator nodosaurus omeisaurus ouranosaurus plateosaurus
prosaurolophus rugops saltasaurus sauropelta saurornithoides scelidosaurus stegosaurus struthiomimus supersaurus
tarbosaurus triceratops tyrannotitan utahraptor zuniceratops
"""
TRAINING = tuple(_TRAINING.split())
HELD_OUT = tuple(_HELD_OUT.split())


def windows(names: Sequence[str]) -> tuple[Float[Tensor, "B C"], Int[Tensor, " B"]]:
    """Return the examples in a list of names: three letters as an input row each, and the letter that follows.

    A row has a 1 for each of its letters: 27 numbers for the first, 27 for the second, 27 for the third. Capitals are
    read as small letters. Raises `UserError` for other characters than a to z, and for an empty list.

    >>> x, y = windows(["ovi"])  # "..." -> o, "..o" -> v, ".ov" -> i, "ovi" -> .
    >>> tuple(x.shape), "".join(LETTERS[target] for target in y)
    ((4, 81), 'ovi.')
    """
    contexts, targets = [], []
    for name in names:
        if strange := sorted(set(name.lower()) - set(LETTERS[1:])):
            raise UserError(f"{name!r} has the character {strange[0]!r}; write names with the letters a to z")
        ids = [LETTERS.index(letter) for letter in "." * CONTEXT + name.lower() + "."]
        for end in range(CONTEXT, len(ids)):
            contexts.append(ids[end - CONTEXT : end])
            targets.append(ids[end])
    if not targets:
        raise UserError("there are no names; give at least one")
    return one_hot(torch.tensor(contexts)), torch.tensor(targets)


def one_hot(contexts: Int[Tensor, "B 3"]) -> Float[Tensor, "B C"]:
    """Return an input row for each three ids."""
    return torch.nn.functional.one_hot(contexts, V).flatten(1).float()


def start(seed: int = 0) -> list[Tensor]:
    """Return small random weights, whose loss is close to ln 27: W1 (C, F), b1 (F,), W2 (F, V), b2 (V,)."""
    generator = torch.Generator().manual_seed(seed)
    w1, w2 = torch.randn(C, F, generator=generator), torch.randn(F, V, generator=generator)
    return [0.3 * w1, torch.zeros(F), 0.01 * w2, torch.zeros(V)]


def forward(weights: Weights, x: Float[Tensor, "B C"]) -> tuple[Float[Tensor, "B F"], Float[Tensor, "B V"]]:
    """Return the hidden layer and the logits."""
    w1, b1, w2, b2 = weights
    h = torch.tanh(x @ w1 + b1)
    return h, h @ w2 + b2


def trained(steps: int, seed: int = 0, names: Sequence[str] = TRAINING, rate: float = 4.0) -> list[Tensor]:
    """Return the weights after some steps of gradient descent on all names at once.

    >>> weights = trained(steps=2)
    >>> [tuple(weight.shape) for weight in weights]
    [(81, 64), (64,), (64, 27), (27,)]
    """
    x, y = windows(names)
    weights = [weight.requires_grad_() for weight in start(seed)]
    optimizer = torch.optim.SGD(weights, lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(forward(weights, x)[1], y).backward()
        optimizer.step()
    return [weight.detach() for weight in weights]


def invent(weights: Weights, n: int = 5, seed: int = 0) -> list[str]:
    """Return n names, drawn letter by letter from the network's probabilities, until it draws the dot.

    Logits that are not finite write "?" and end the name.

    >>> invent(start(), n=2) == invent(start(), n=2)
    True
    """
    generator = torch.Generator().manual_seed(seed)
    ids = torch.zeros(n, CONTEXT, dtype=torch.long)
    for _ in range(LONGEST):
        p = forward(weights, one_hot(ids[:, -CONTEXT:]))[1].softmax(-1)
        if not p.isfinite().all():
            return ["?"] * n
        ids = torch.cat([ids, torch.multinomial(p, 1, generator=generator)], dim=1)
    written = ("".join(LETTERS[id] for id in row) for row in ids[:, CONTEXT:].tolist())
    return [text.partition(".")[0] for text in written]


def copies(invented: Sequence[str], names: Sequence[str] = TRAINING) -> int:
    """Count the invented names that are in a list.

    >>> copies(["minmi", "stunosaurus", "minmi"], ["minmi"])
    2
    """
    return sum(name in set(names) for name in invented)
