# %% [markdown]
# # 04 lab · Attention: four experiments
#
# Lesson 04 made claims in passing. Here we test four of them. Each is told like a short paper: the claim, what would
# refute it, the method, the controls, the result, the verdict.
#
# **Time**: 60 minutes, of which the cells run for two. **Before you start**: lesson 04.

# %%
import math
import re

import torch
import torch.nn.functional as F
from torch import nn

from minillm.analysis import surgery
from minillm.analysis.heads import ablate_heads, head_outputs, projected, reading
from minillm.analysis.probes import separation
from minillm.analysis.tracing import trace
from minillm.course import mine, predict, predict_number
from minillm.course.own_model import smollm2
from minillm.model import attention as package
from minillm.model.position import rotary_angles
from minillm.viz.figures import bars, lines, show
from minillm.viz.hover import HeadExplorer

# %%
model, tokenizer = smollm2()
START = tokenizer.special_tokens["<|endoftext|>"]  # the token before each text


def with_start(text):
    return [START, *tokenizer.encode(text)]


# %% [markdown]
# ## 1. *bank*, layer by layer
#
# **Claim**. Attention lets the context resolve an ambiguous word: after a text about money, the vectors of *bank*
# differ from those after a text about water, because *bank* means two things.
#
# **Refuted if** words with one meaning come apart as far as *bank* in the same texts, or if random labels do.
#
# **Method**. Twelve openings about money, twelve about water, built alike. All go on with the same eight words up to
# *bank*, so what tells the vectors apart has come from the opening. At each depth, `separation` subtracts the mean of
# the 24 vectors and gives two measures. The **accuracy** is the share of vectors that are nearer to their own group's
# mean than to the other's (a vector doesn't count towards its own mean). The **gap** is the mean cosine within the
# groups minus the mean cosine between them: 0 means no difference, 2 opposite directions.
#
# **Controls**. Before the first block all 24 vectors are equal. 200 shuffles of the labels give the level of chance.
# And 29 other words stand in the very same texts, in place of *bank*: some with one meaning, some with several, and
# one of your choice.

# %%
ABOUT_MONEY = """The loan was approved on Monday. She had saved four hundred dollars.
Interest rates had gone up again. His salary arrived every month.
The cashier counted the coins. They needed a new mortgage.
He signed the cheque with a pen. The robbers wore masks and carried bags.
The accountant checked the savings. Her credit card was lost.
The vault was locked at five. The investors wanted their money."""
ABOUT_WATER = """The otters were swimming upstream. She had caught four silver trout.
The water had gone up again. His canoe drifted every afternoon.
The fisherman counted the ducks. They needed a new boat.
He crossed the stream with a stick. The beavers built a dam of branches.
The angler checked the reeds. Her fishing rod was lost.
The ferry was moored at five. The swimmers wanted their towels."""
sentences = (ABOUT_MONEY + ABOUT_WATER).split(".")
OPENINGS = [sentence.strip() for sentence in sentences if sentence.strip()]
groups = torch.tensor([0] * 12 + [1] * 12)


# %%
def batch(word):
    """The 24 texts up to a word, filled up on the right, and where each ends."""
    ending = f". We walked along until we came to the {word}"
    rows = [with_start(opening + ending) for opening in OPENINGS]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [START] * (longest - len(row)) for row in rows])
    return ids, torch.tensor([len(row) - 1 for row in rows])


def last_vectors(word):
    """The vectors of the last word of all 24 texts, at every depth: (L + 1, 24, C)."""
    ids, ends = batch(word)
    stream = trace(model, ids, weights=False).stream
    return stream[:, torch.arange(24), ends]


# %%
wall_guess = predict_number(
    "At depth 10, how many of the 24 vectors of wall, which has one meaning, show the topic?",
    unit="of 24",
)

# %%
CONTROLS = ("wall", "house", "tree", "door")
MORE = """channel current branch mouth bed source safe shore dock vault account deposit boat
fish bridge mill port road king church shop table window tower"""
vectors, found = {}, {}


def measure(word):
    vectors[word] = last_vectors(word)
    found[word] = separation(vectors[word], groups, 200 if word == "bank" else 1)


for word in ("bank", *CONTROLS, *MORE.split()):
    measure(word)
    print(word, end=" ")
print()
bank = found["bank"]
wall_guess.answer(round(24 * found["wall"].accuracy[10].item()))

# %% tags=["test"]
assert all(torch.equal(vector, vectors["bank"][0, 0]) for vector in vectors["bank"][0])

# %%
for depth in (0, 2, 3, 5, 10, 20, 30):
    accuracy, chance = bank.accuracy[depth], bank.chance_95[depth]
    gap, chance_gap = bank.cosine_gap[depth], bank.gap_95[depth]
    print(f"depth {depth:2}: accuracy {accuracy:.2f} ({chance:.2f})", end="   ")
    print(f"gap {gap:5.2f} ({chance_gap:.2f})")
print("in parentheses: 95 of 100 shuffles stay at or below this")

# %% [markdown]
# For the error bars we leave out each text once (the jackknife): how much does the gap depend on which texts we
# chose?


# %%
def late_gap(vectors, groups, start=5):
    """The gap, averaged over the depths from `start` on."""
    return separation(vectors, groups, shuffles=1).cosine_gap[start:].mean()


def jackknife(statistic, n=24):
    """The standard error of a statistic, a function of which texts are kept."""
    left_out = [statistic(torch.arange(n) != text) for text in range(n)]
    return ((n - 1) * torch.stack(left_out).var(correction=0)).sqrt().item()


# %%
your_word = "lamp"  # change this, but first guess where it will land in the ranking
measure(your_word)
late = {word: each.cosine_gap[5:].mean().item() for word, each in found.items()}
ranking = sorted(late, key=late.get, reverse=True)
some = {*ranking[:8], "shore", "bed", "source", *CONTROLS, your_word}
print("gap, mean from depth 5 on:")
for word in sorted(some, key=ranking.index):
    error = jackknife(lambda kept, v=vectors[word]: late_gap(v[:, kept], groups[kept]))
    print(f"{ranking.index(word) + 1:2}. {word:8} {late[word]:.2f} ± {error:.2f}")


def ahead(kept):
    first, second = (vectors[word][:, kept] for word in ("bank", "channel"))
    return late_gap(first, groups[kept]) - late_gap(second, groups[kept])


print(f"bank minus channel: {ahead(groups >= 0):.2f} ± {jackknife(ahead):.2f}")

# %%
control_gaps = torch.stack([found[word].cosine_gap for word in CONTROLS])
late_controls = control_gaps[:, 5:].mean()
print(f"bank is number {ranking.index('bank') + 1} of {len(found)} words;", end=" ")
print(f"words of one meaning: {late_controls:.2f} on average")
fewest = min(round(24 * each.accuracy[10].item()) for each in found.values())
print(f"at depth 10, each word shows the topic in {fewest} of 24 texts or more")

# %% tags=["test"]
assert late["bank"] > 2.5 * late_controls > 2.5 * bank.gap_95[5:].mean()

# %%
gaps = {
    "bank": bank.cosine_gap,
    "channel": found["channel"].cosine_gap,
    "shore": found["shore"].cosine_gap,
    "wall, house, tree, door": control_gaps,
    f"yours: {your_word}": found[your_word].cosine_gap,
}
show(
    lines(
        gaps,
        "depth (blocks passed)",
        "cosine gap, money against water",
        references={"95% of shuffles": bank.gap_95.max().item()},
    ),
    title=f"Every word shows the topic; {ranking[0]} moves farthest of {len(found)}",
    alt="How far apart the two groups point, over depth. Bank rises to "
    f"{bank.cosine_gap.max():.2f}, channel lies below it, then shore; the four words of one "
    f"meaning stay near {late_controls:.2f}, still above the shuffles.",
)

# %% [markdown]
# **Result**. The gap of *bank* is at chance for two blocks and clear after three; the accuracy is perfect at the
# four depths printed from 5 on. But at depth 10, all 30 words show the topic in 21 texts or more, and the meaning of
# *wall* did not change: attention carries the **topic** into every word, and a classifier that finds the topic has
# not found a meaning. By the gap, *bank* is first of 30 words, with 1.16 ± 0.07, ahead of the second by 0.24 ± 0.10.
# The next two, *channel* and *current*, have several meanings as well. But then come *vault* and *account*, which fit
# the money, and *bed* and *source*, ambiguous as they are, rank in the middle. (The band in the figure runs from the
# lowest of the four words to the highest.)
#
# **Verdict**: true, with a catch. *bank* comes first, but we chose the two topics for it: for *branch* we'd have taken
# trees and companies. How well a word fits the text explains part of the gap, and two meanings don't guarantee a large
# one. Twelve texts per group, one ending, one model.
# %% [markdown]
# ## 2. A leak looks like skill
#
# **Claim**. A mask that shows one position too many makes the loss better, and the model worse.
#
# **Refuted if** the loss stays, or if the model is as good as before.
#
# **Method**. First SmolLM2, trained with the right mask: six texts, read with the right mask, with one position too
# many, and with no mask at all. Then a model that is *trained* with the leak, on random digits. Nothing about these
# can be learned, so no honest model does better than ln 10 = 2.303 nats per digit.
#
# **Controls**. A second measure that can't be cheated: capitals named, where nothing comes after the prompt. For the
# digits: the same model with the right mask, three seeds each, and the leaky models under the right mask, as they
# would have to write.

# %%
leak_guess = predict(
    "SmolLM2 may peek one token ahead. Its loss is 4.3 nats per token. What becomes of it?",
    [
        "it rises: it never learned to peek",
        "about the same",
        "it falls by a third or more",
    ],
)

# %%
TEXTS = """
Mrs Abernathy kept her umbrella in the piano, because nobody in the house had played it since the war.
The river was high, so the ferryman tied his boat to the bank and waited for the rain to stop.
The committee met on Tuesday to discuss the new library, and agreed that the roof should be blue.
Water boils at a lower temperature on a mountain, so potatoes need more time to become soft.
My grandmother had two rules for a good soup: never hurry the onions, and never tell the neighbors.
The train to the coast was late again, and the children counted the cows until all of them had a name.""".strip()


# %% tags=["nbval-ignore-output"]
@torch.no_grad()
def real_losses():
    """The loss of SmolLM2 on each text, in nats per token."""
    rows = [torch.tensor([with_start(text)]) for text in TEXTS.split("\n")]
    nats = [F.cross_entropy(model(row[:, :-1])[0], row[0, 1:]) for row in rows]
    return torch.stack(nats)


masks = {
    "right": lambda T: torch.ones(T, T).tril().bool(),
    "one too many": lambda T: torch.ones(T, T).tril(1).bool(),
    "none": lambda T: torch.ones(T, T).bool(),
}
peeking, peeked = {}, []
for name, mask in masks.items():
    with surgery.replaced(model, causal_mask=mask):
        peeking[name] = real_losses()
        right = surgery.capitals(model, tokenizer)
    lower = int((peeking[name] < peeking["right"]).sum())
    row = f"loss {peeking[name].mean():.2f}, lower in {lower} of 6 texts"
    peeked.append(f"mask {name:12}: {row}, {right:2} of 20 capitals")

# %% tags=["nbval-ignore-output"]
fell = 1 - (peeking["one too many"].mean() / peeking["right"].mean()).item()
outcome = 2 if fell > 1 / 3 else 1 if fell > -0.1 else 0
leak_guess.answer(leak_guess.choices[outcome], show=lambda: print(*peeked, sep="\n"))

# %% tags=["test"]
assert peeking["one too many"].mean() < 0.7 * peeking["right"].mean()

# %% tags=["nbval-ignore-output"]
mine.write("The river was high, so the ferryman", causal_mask=masks["one too many"])

# %% [markdown]
# From 4.30 to 2.45 nats, without a step of training: the answer stands one position ahead, and SmolLM2 makes use of
# it. And it can't write anymore. The last position sees exactly what it saw before, but every vector that it reads
# was made by peeking. Now a model that is trained with the leak:


# %%
class DigitModel(nn.Module):
    def __init__(self, T):
        super().__init__()
        self.table = nn.Embedding(10, 32)
        self.attention = package.MultiHeadAttention(d_model=32, n_heads=2, bias=True)
        self.head = nn.Linear(32, 10)
        self.angles = rotary_angles(torch.arange(T), d_head=16, theta=10_000.0)

    def forward(self, ids, mask):
        x = self.table(ids)
        return self.head(x + self.attention(x, mask=mask, angles=self.angles))


LENGTH = 32
honest, leaky = masks["right"](LENGTH), masks["one too many"](LENGTH)


# %%
def loss_on(model, digits, mask):
    logits = model(digits[:, :-1], mask)  # position t predicts digit t + 1
    return F.cross_entropy(logits.flatten(0, 1), digits[:, 1:].flatten())


def train(mask, seed, steps=100):
    torch.manual_seed(seed)
    model = DigitModel(LENGTH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(steps):
        digits = torch.randint(10, (32, LENGTH + 1))
        optimizer.zero_grad()
        loss_on(model, digits, mask).backward()
        optimizer.step()
    return model


# %%
cheat = predict_number(
    "The floor is 2.303. How low does the leaky model get?", unit="nats per digit"
)

# %% tags=["nbval-ignore-output"]
torch.manual_seed(99)
fresh = torch.randint(10, (200, LENGTH + 1))
fair = [train(honest, seed) for seed in range(3)]
cheats = [train(leaky, seed) for seed in range(3)]
losses = {
    "honest mask": [loss_on(model, fresh, honest).item() for model in fair],
    "leaky mask": [loss_on(model, fresh, leaky).item() for model in cheats],
    "leaky, then masked": [loss_on(model, fresh, honest).item() for model in cheats],
}


def digit_losses():
    for name, three in losses.items():
        print(f"{name:18}", *(f"{loss:.3f}" for loss in three), "nats per digit")
    print(
        f"a perfect cheat: {math.log(10) / LENGTH:.3f}, the floor: {math.log(10):.3f}"
    )


cheat.answer(round(sum(losses["leaky mask"]) / 3, 2), show=digit_losses)

# %% tags=["test"]
assert 2.29 < min(losses["honest mask"]) <= max(losses["honest mask"]) < 2.40
assert max(losses["leaky mask"]) < 0.3
assert min(losses["leaky, then masked"]) > 2.4

# %% [markdown]
# **Result**. SmolLM2 looks better in 5 of 6 texts, and names 0 of 20 capitals. On digits, the leak brings the loss
# down to 0.08. It doesn't reach 0, since the last of the 32 positions has no next one to look at: a perfect cheat's
# loss is ln 10 / 32 = 0.072. Under the right mask the same models have a loss of 3.5 or more, worse than a model
# that knows nothing. **Your choice**: another `LENGTH`. What's a perfect cheat's loss at 8?
#
# **Verdict**: true, trained or not. When a loss looks too good, change a token and see whether anything before it
# moves. Then check that no validation text is in the training set, which is the other way to be too good.

# %% [markdown]
# ## 3. Does the head matter?
#
# **Claim**. An attention map shows what a head does for the model: 9.2 reads *river*, so it tells *bank* its meaning.
#
# **Refuted if** the two *banks* are as far apart without the head; or if two heads have much the same map, and
# removing one changes the model's behavior a lot and removing the other doesn't.
#
# **Method**. First, what the head reads, on twenty pairs that weren't used to find it. Then we remove it: its output
# is replaced by its mean over texts. (Zero would be a vector that the later layers have never seen.)
#
# **Controls**. Every pair crossed with the words of the other nineteen; all 270 heads; how likely the two words are
# side by side, as in "guitar string". For the removal: the gap *before* layer 9 has run, and whole layers removed, to
# see that a removal can close the gap at all.

# %%
river_text = TEXTS.split("\n")[1]
tokens = ["START", *(tokenizer.decode([id]) for id in tokenizer.encode(river_text))]
of_river = trace(model, torch.tensor([with_start(river_text)])).weights
HeadExplorer(tokens, of_river[:, 0], layer=9, head=2, token=15)

# %% [markdown]
# Move the sliders to 16.0 and 11.1, which you'll meet below, and to 18.7, which reads next to nothing but START.
#
# ### Pairs that weren't used to find it

# %%
PAIRS = """doctor patient, lawyer client, author novel, baker oven, lion mane, fish fin, knight sword,
judge verdict, chef recipe, painter brush, train conductor, beach umbrella, soldier rifle, camera lens,
desert camel, mountain peak, boat sail, violin bow, clock hand, computer screen"""
nouns, partners = zip(*(pair.split() for pair in PAIRS.split(",")), strict=True)


# %%
def of_pairs(frame):
    """The mean weight of each head in the pairs, and crossed; and all weights of head 9.2."""
    grid = reading(model, tokenizer, frame, nouns, partners)
    own = grid.diagonal(dim1=2, dim2=3).mean(-1)
    return own, (grid.sum((2, 3)) - 20 * own) / 380, grid[9, 2]


for frame in ("the {} has a {}", "she saw the {} and a {}"):
    own, crossed, grid = of_pairs(frame)
    lead = own - crossed
    best = int((grid.argmax(-1) == torch.arange(20)).sum())
    rank = int((lead > lead[9, 2]).sum()) + 1
    print(f"{frame}: pairs {own[9, 2]:.2f}, crossed {crossed[9, 2]:.2f},", end=" ")
    print(f"own word first for {best} of 20 nouns, rank {rank} of 270")

# %% [markdown]
# It holds on new pairs, weaker than on those of the lesson. Is the head after meaning, or after words that are often
# seen side by side? Ask the model itself how likely the second word is right after the first:


# %%
@torch.no_grad()
def side_by_side(noun, word):
    """The log-probability of a word right after a noun, in nats."""
    before, ids = with_start(f"the {noun}"), tokenizer.encode(f" {word}")
    log_probs = model(torch.tensor([before + ids]))[0].log_softmax(-1)
    return sum(log_probs[len(before) - 1 + i, id].item() for i, id in enumerate(ids))


likely = torch.tensor(
    [side_by_side(*pair) for pair in zip(nouns, partners, strict=True)]
)
order, of_own = likely.argsort(), grid.diagonal()
for name, some in (("less", order[:10]), ("more", order[10:])):
    print(f"the ten pairs {name} likely side by side: {of_own[some].mean():.2f}")

# %% [markdown]
# ### Take it away
#
# In "The river was gone, so the ferryman took the road to the bank", one noun says what the topic is. We put in 24
# nouns, check that the head looks at them, and measure the gap of *bank* with and without the head.

# %%
SENTENCE = "The {} was gone, so the ferryman took the road to the bank"
NOUNS = """money loan cash gold debt salary credit savings rent wages profit tax
river stream water lake tide canal creek flood pond rain harbor ferry"""
rows = [with_start(SENTENCE.format(noun)) for noun in NOUNS.split()]
texts = torch.tensor(rows)  # (B, T)
seen = trace(model, texts)
to_noun = seen.weights[..., -1, 2].mean(1)  # (L, H); the noun is token 2
rank = int((to_noun > to_noun[9, 2]).sum()) + 1
print(f"head 9.2 gives the noun {to_noun[9, 2]:.2f} of its attention:", end=" ")
print(f"rank {rank} of 270")
removal_guess = predict(
    "Remove head 9.2. What happens to the gap between the two banks?",
    ["it falls by more than half", "it falls a little", "nothing much"],
)

# %%
ids, ends = batch("bank")
place = torch.arange(ids.shape[1])
inside = (place > 0) & (place <= ends[:, None])  # neither START nor filled up
mean_output = head_outputs(model, ids)[9, :, 2][inside].mean(0)  # (D,)
kept = seen.stream[:, :, -1]  # (L + 1, B, C)
with ablate_heads(model, {(9, 2): mean_output}):
    removed = trace(model, texts, weights=False).stream[:, :, -1]


def change(texts):
    """What removing the head does to the gap from depth 10 on, in some of the texts."""
    before, after = (
        late_gap(each[:, texts], groups[texts], 10) for each in (kept, removed)
    )
    return after - before


before, after = late_gap(kept, groups, 10), late_gap(removed, groups, 10)
by_depth = separation(kept, groups, shuffles=1).cosine_gap


def gap_without():
    print(f"gap of bank from depth 10: {before:.2f}, without head 9.2: {after:.2f}")
    print(f"the change: {after - before:+.2f} ± {jackknife(change):.2f}")
    print(f"gap before layer 9 runs: {by_depth[9]:.2f}, after it: {by_depth[10]:.2f}")


fallen = (before - after) / before
falls = "it falls by more than half" if fallen > 0.5 else "it falls a little"
removal_guess.answer("nothing much" if fallen < 0.05 else falls, show=gap_without)

# %%
outputs = head_outputs(model, ids)  # (L, B, H, T, D)
for layer in (0, 4, 9):
    nine = {(layer, h): outputs[layer, :, h][inside].mean(0) for h in range(9)}
    with ablate_heads(model, nine):
        without = trace(model, texts, weights=False).stream[:, :, -1]
    gap = late_gap(without, groups, 10)
    print(f"gap without any of the nine heads of layer {layer}: {gap:.2f}")

# %% tags=["test"]
assert abs(after - before) < 0.1

# %% [markdown]
# The head with the best picture isn't needed to tell the two *banks* apart. Nor is its whole layer: the gap is there
# before layer 9 has run. Other removals do narrow it, so the test could have failed.
#
# ### Two heads, much the same map
#
# Is removal just a blunt tool? Here's a behavior where it bites: copying. 16 random words, then the same 16 again, so
# each word of the second copy can be read off the first. A **previous-token head** looks at the token before; an
# **induction head** looks at the token *after* the earlier occurrence of the present one, which is the word to copy
# (Olsson et al. 2022). We search on eight texts and measure on 24 others. The first copy is the control: it has
# nothing to copy.

# %%
N = 16  # change this: the number of words
pieces = {id: tokenizer.decode([id]) for id in range(len(tokenizer.vocab))}
words_only = [id for id, text in pieces.items() if re.fullmatch(" [a-z]{4,}", text)]
frequent = torch.tensor(words_only[:5000])  # ids rise from frequent to rare


def label(head):
    return "{}.{}".format(*head)


def repeated(count, seed):
    """Texts of N random words, twice: (count, 2 N + 1)."""
    rng = torch.Generator().manual_seed(seed)
    once = frequent[torch.randint(len(frequent), (count, N), generator=rng)]
    return torch.cat([torch.full((count, 1), START), once, once], dim=1)


search, test = repeated(8, seed=0), repeated(24, seed=1)
print(tokenizer.decode(search[0, 1:].tolist()))


# %%
def looks(ids):
    """How much each head looks at its two kinds of target: (L, H) each."""
    weights = trace(model, ids).weights  # (L, B, H, T, T)
    second = torch.arange(N + 1, 2 * N)  # the second copy, without its last word
    previous = weights[..., second, second - 1].mean((1, 3))
    return {
        "previous": previous,
        "induction": weights[..., second, second - N + 1].mean((1, 3)),
    }


@torch.no_grad()
def copy_losses(ids):
    """The loss on the first and on the second copy, per text, in nats per token."""
    logits = model(ids[:, :-1]).mT
    nats = F.cross_entropy(logits, ids[:, 1:], reduction="none")  # (B, T)
    return nats[:, 1:N].mean(1), nats[:, N + 1 :].mean(1)


# %%
means = head_outputs(model, search)[:, :, :, 1:].mean((1, 3))  # (L, H, D)


def effects(head, ids, intact):
    """What the loss on both copies gains when a head is removed, per text."""
    with ablate_heads(model, {head: means[head]}):
        losses = copy_losses(ids)
    return [after - before for after, before in zip(losses, intact, strict=True)]


intact, candidates = copy_losses(search), []
for kind, share in looks(search).items():
    for place in share.flatten().topk(5).indices.tolist():
        head = divmod(place, 9)  # layer and head
        gain = effects(head, search, intact)[1].mean().item()
        candidates.append((kind, gain, head, share[head].item()))
        there = f"{kind:9} head {label(head):4}  looks there with {share[head]:.2f}"
        print(f"{there}, loss {round(gain, 1) + 0.0:+.1f}")

# %% [markdown]
# Of the ten heads that we searched, removing 16.0 or 18.6 costs more than one nat, and removing 1.2 even lowers the
# loss. Two of the previous-token heads look there with more than 0.8 of their attention, and we keep both. Of the
# induction heads, we keep the one whose removal does most.

# %%
previous = [each for each in candidates if each[0] == "previous" and each[3] > 0.8]
clear = sorted(each[1:3] for each in previous)
idle, needed = clear[0][1], clear[-1][1]
inductive = max(each[1:3] for each in candidates if each[0] == "induction")[1]
print(f"previous-token heads: {label(needed)} and {label(idle)};", end=" ")
print(f"induction head: {label(inductive)}")


# %%
def with_error(values):
    """The mean over texts and its standard error."""
    return values.mean().item(), (values.std() / math.sqrt(len(values))).item()


intact_test, shares, gains = copy_losses(test), looks(test), {}
print("increase of the loss, in nats per token, ± standard error")
for kind, head in (("previous", needed), ("previous", idle), ("induction", inductive)):
    first, second = map(with_error, effects(head, test, intact_test))
    gains[f"{label(head)}, {kind}"] = second
    print(f"head {label(head):4} looks there with {shares[kind][head]:.2f};", end=" ")
    print(
        "first copy {:+.2f} ± {:.2f}, second copy {:+.2f} ± {:.2f}".format(
            *first, *second
        )
    )

# %% tags=["nbval-ignore-output"]
prose = real_losses()
for head in (needed, idle):
    with ablate_heads(model, {head: means[head]}):
        cost, error = with_error(real_losses() - prose)
    print(f"on prose, without head {label(head)}: loss {cost:+.2f} ± {error:.2f}")

# %%
increases, standard_errors = zip(*gains.values(), strict=True)
unit = "increase of the loss on the second copy, nats per token (± standard error)"
show(
    bars([f"head {each}" for each in gains], increases, unit, errors=standard_errors),
    title="Two heads look at the previous token; copying needs one of them",
    alt="Bars with error bars: what removing a head adds to the loss on the second copy. Head "
    f"{label(needed)} {increases[0]:.1f} nats per token, {label(idle)}, which looks at the same "
    f"tokens, {increases[1]:+.2f}, the induction head {label(inductive)} {increases[2]:.1f}.",
)

# %% tags=["test"]
assert increases[0] > 10 * standard_errors[0]
assert abs(increases[1]) < 0.3 < increases[0] / 5

# %% [markdown]
# **Result**. Head 9.2 reads what belongs together, also in new pairs: 0.26 and 0.34, crossed 0.02. It's second and
# first of 270 heads by that. The ten more likely pairs get more, 0.41, but the ten less likely pairs still get 0.27.
# Without it, the two *banks* are as far apart as before (+0.04 ± 0.02). Heads 16.0 and 11.1 look at the previous
# token with 0.90 and 0.86 of their attention: without 16.0, copying loses 3.0 nats per token, without 11.1, -0.02 ±
# 0.03. The first copy changes by 0.05 or less. (Random words leave little to lose there, so the first copy is a weak
# control.) On prose, neither costs much: 11.1 costs 0.06 ± 0.04 nats, 16.0 nothing (0.00 ± 0.02).
#
# **Verdict**: not quite. A map shows where a head looks. Two similar maps can have different effects, and only an
# experiment tells them apart. That doesn't make 9.2 or 11.1 useless: it may serve something else, or others may fill
# in for it. An ablation answers only the question that was asked. **Your choice**: another `N`. With 4 words, does 11.1
# stay idle?

# %% [markdown]
# ## 4. Attention sinks
#
# **Claim**. Most attention goes to the first token, a *sink*: it's where a head puts its attention when it has nothing
# to say (Xiao et al. 2023). Its value, the story goes on, is so small that almost nothing arrives.
#
# **Refuted if** the values at START are as large as others, or if the model breaks without them.
#
# **Method**. Three texts of different kinds. For each of the 270 heads, the share that goes to START; for each of the
# 90 key/value heads, the norm of its value there against the mean of the others. Then hide START from everyone.
#
# **Controls**. An even spread; the same texts without START; and another victim: each word's own key, hidden from it.

# %%
sink_guess = predict_number(
    "In the ferryman's text, in how many of 270 heads does START get more than half?",
    unit="heads",
)

# %%
THREE = {
    "river": TEXTS.split("\n")[1],
    "piano": TEXTS.split("\n")[0],
    "code": "def add(a, b):\n    return a + b\n\nprint(add(2, 3))  # the sum of two numbers",
}
heads_over_half, ratios, to_start = {}, {}, []
for name, text in THREE.items():
    ids_of_text = torch.tensor([with_start(text)])
    seen_text = trace(model, ids_of_text)
    T = ids_of_text.shape[1]
    # (L, H), without the first query, which has no choice
    to_first = seen_text.weights[:, 0, :, 1:, 0].mean(-1)
    values = [projected(model, seen_text, layer)[2] for layer in range(30)]
    norms = torch.stack(values).norm(dim=-1)
    ratios[name] = norms[..., 0] / norms[..., 1:].mean(-1)  # (L, K)
    heads_over_half[name] = int((to_first > 0.5).sum())
    even = sum(1 / (t + 1) for t in range(1, T)) / (T - 1)
    headless = trace(model, ids_of_text[:, 1:]).weights[:, 0, :, 1:, 0].mean()
    share = f"{name}: START gets {to_first.mean():.2f} (evenly: {even:.2f})"
    share += f", more than half in {heads_over_half[name]} of 270 heads"
    to_start.append(f"{share}; without START, the first word gets {headless:.2f}")
sink_guess.answer(heads_over_half["river"], show=lambda: print(*to_start, sep="\n"))

# %%
for name, ratio in ratios.items():
    small, tiny = int((ratio < 0.5).sum()), int((ratio < 0.1).sum())
    print(f"{name}: value at START / elsewhere: median {ratio.median():.2f};", end=" ")
    print(
        f"below 0.5 in {small}, below 0.1 in {tiny}, above 1 in {int((ratio > 1).sum())} of 90"
    )


# %% tags=["nbval-ignore-output"]
def hide(query, key, value, visible, own=False):
    """Attention without START, or without each word's own key."""
    T, S = visible.shape
    hidden = (
        torch.eye(S)[S - T :].bool() if own else (torch.arange(S) == 0).expand(T, S)
    )
    hidden = hidden & (torch.arange(S - T, S) > 0)[:, None]  # START itself sees itself
    return mine.attention(query, key, value, visible & ~hidden)


for name, own in (("START", False), ("each word's own key", True)):
    with surgery.replaced(
        model, attention=lambda *parts, own=own: hide(*parts, own=own)
    ):
        losses_hidden = real_losses()
        cost, error = with_error(losses_hidden - peeking["right"])
        print(f"hidden: {name}: loss {losses_hidden.mean():.2f}", end=" ")
        print(f"({cost:+.2f} ± {error:.2f}),", end=" ")
        print(f"{surgery.capitals(model, tokenizer)} of 20 capitals (intact 17)")

# %% [markdown]
# **Result**. Half of all attention goes to START, on prose and on code, more than four times an even share. It's
# spread: 118 to 163 of 270 heads give it more than half. Its value has a quarter of the norm of others (the median of
# 90), is below half in 75 or more, below a tenth in 3, and larger than the others in 6 or 7. Hide it, and the loss
# rises from 4.30 to 4.69 (+0.39 ± 0.14), while the capitals fall from 17 to 15 of 20. Hide each word's own key instead:
# the loss rises by 0.55 ± 0.07, which six texts can't tell from 0.39, but no capital is left. The two measures disagree
# about how much START matters. Without START, the first word takes the role.
#
# **Verdict**: true, with a catch. The sink is real, and on these short texts, the model keeps most of its capitals
# without it, at a cost of 0.4 nats. But its value isn't zero, in some heads not even small, and START isn't
# special: take it away, and another token stands in. Xiao et al. saw models collapse when the first tokens dropped
# out of a long window. Our texts are short, and our model is small.
#
# **An experiment of your own**: can a causal model look ahead after all? Say it twice (Springer et al. 2024): "The
# bank was near. The otters were swimming upstream. The bank was near." The second *bank* has seen everything. Change
# `batch` so that the opening comes after the first *bank*, measure the gap at both, and again with *wall*. Predict
# all four numbers before you run it.
#
# **Next**: the [graded questions](../exercises/04_attention/04_attention.ipynb), or [lesson
# 05](05_feed_forward.ipynb).
