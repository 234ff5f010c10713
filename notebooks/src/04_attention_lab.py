# %% [markdown]
# # 04 lab · Attention: three experiments
#
# Lesson 04 made claims. Here are the experiments behind them, each told like a short paper: what is claimed, what would
# refute it, how it is measured, against which controls, what came out, and what follows. At the end are four shorter
# measurements: the division by √D, attention sinks, an explorer for all 270 heads, and softmax in blocks.
#
# **Time**: 55 minutes, of which the cells run for two. **Before you start**: lesson 04.

# %%
import copy
import math
import re
from dataclasses import replace

import torch
import torch.nn.functional as F
from ipywidgets import IntSlider
from torch import nn

from minillm.analysis.heads import ablate_heads, head_outputs
from minillm.analysis.probes import separation
from minillm.analysis.tracing import trace
from minillm.course import mine, predict
from minillm.model import attention as package
from minillm.model.position import rotary_angles
from minillm.pretrained import load
from minillm.viz.figures import attention_arcs, bars, lines, show
from minillm.viz.hover import TokenExplorer, hover_tokens

# %%
model, tokenizer = load("smollm2-135m-instruct")
START = tokenizer.special_tokens["<|endoftext|>"]  # the mark before each text


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
# Four words with one meaning, *wall*, *house*, *tree* and *door*, stand in the very same texts. So does *shore*, which
# has one meaning but fits only one of the topics.

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
wall_guess = predict(
    "At depth 10, how well do the vectors of wall, which has one meaning, show the topic?",
    ["accuracy 0.5, as by chance", "about 0.7", "more than 0.85"],
)

# %%
CONTROLS = ("wall", "house", "tree", "door")
your_word = "lamp"  # choose another word, and predict where its curve will lie
words = ("bank", "shore", *CONTROLS, your_word)
vectors = {word: last_vectors(word) for word in words}
found = {word: separation(vectors[word], groups) for word in words}
bank = found["bank"]

# %% tags=["test"]
assert all(torch.equal(vector, vectors["bank"][0, 0]) for vector in vectors["bank"][0])

# %%
for depth in (0, 2, 3, 5, 10, 20, 30):
    accuracy, chance = bank.accuracy[depth], bank.chance_95[depth]
    gap, chance_gap = bank.cosine_gap[depth], bank.gap_95[depth]
    print(
        f"depth {depth:2}: accuracy {accuracy:.2f} ({chance:.2f})   gap {gap:5.2f} ({chance_gap:.2f})"
    )
print("in parentheses: 95 of 100 shuffles stay at or below this")

# %% [markdown]
# For the error bars we leave out each text once (the jackknife): how much does the gap depend on which texts we chose?


# %%
def late_gap(vectors, groups, start=5):
    """The gap, averaged over the depths from `start` on."""
    return separation(vectors, groups, shuffles=1).cosine_gap[start:].mean()


def jackknife(statistic, n=24):
    """The standard error of a statistic, a function of which texts are kept."""
    left_out = [statistic(torch.arange(n) != text) for text in range(n)]
    return ((n - 1) * torch.stack(left_out).var(correction=0)).sqrt().item()


errors = {}
print(f"{'gap':10} at depth 10   mean from depth 5 on")
for word in words:
    errors[word] = jackknife(
        lambda kept, v=vectors[word]: late_gap(v[:, kept], groups[kept])
    )
    gap = found[word].cosine_gap
    print(f"{word:10} {gap[10]:11.2f}   {gap[5:].mean():8.2f} ± {errors[word]:.2f}")

# %%
control_gaps = torch.stack([found[word].cosine_gap for word in CONTROLS])
late_bank, late_controls = bank.cosine_gap[5:].mean(), control_gaps[:, 5:].mean()
print(
    f"mean from depth 5 on: bank {late_bank:.2f}, words of one meaning {late_controls:.2f}"
)
accuracies = [found[word].accuracy[10].item() for word in CONTROLS]
print(
    "accuracy of the controls at depth 10:",
    *(f"{accuracy:.2f}" for accuracy in accuracies),
)
wall_guess.answer("more than 0.85" if accuracies[0] > 0.85 else "about 0.7")

# %% tags=["test"]
assert late_bank > 2.5 * late_controls > 2.5 * bank.gap_95[5:].mean()

# %%
gaps = {
    "bank": bank.cosine_gap,
    "shore": found["shore"].cosine_gap,
    "wall, house, tree, door": control_gaps,
    f"yours: {your_word}": found[your_word].cosine_gap,
}
show(
    lines(
        gaps,
        "depth (blocks passed)",
        "cosine gap, money against water",
        references={"95 % of shuffles": bank.gap_95.max().item()},
    ),
    title="The topic reaches every word, and it moves bank furthest",
    alt="How far apart the two groups point, over depth. Bank rises to "
    f"{bank.cosine_gap.max():.2f}; the four words of one meaning stay near {late_controls:.2f}, "
    "still above the shuffles; shore lies between, in the middle layers.",
)

# %% [markdown]
# **Result**. The gap of *bank* is at chance for two blocks and clear after three; from the fifth on, the accuracy is
# perfect (1.00). But *wall* is told apart with an accuracy of 0.92, and its meaning did not change: attention carries
# the **topic** into every word, and a classifier that finds the topic has not found a meaning. By the gap, *bank*
# reaches 1.16 ± 0.07 and the words with one meaning 0.32. *shore* is between them, with 0.51 ± 0.08.
#
# **Verdict**. Holds with a condition. Something in the gap is about *bank*. Part of it may be how well a word fits the
# text, as *shore* shows, and not which of two meanings was looked up. Twelve texts per group, one ending, one model.
#
# ### The famous example, with and without the mask
#
# In "the bank of the river", *bank* comes first. We compare it with "the bank of England", and then lift the mask: the
# same weights with `causal=False`. (They were trained with the mask, so this only shows that the path is open.)


# %%
def stream_of(text, model=model):
    return trace(model, torch.tensor([with_start(text)]), weights=False).stream[:, 0]


river, england = stream_of("The bank of the river"), stream_of("The bank of England")
print(
    f"START The bank of: they differ by {(river[:, :4] - england[:, :4]).abs().max():.2f} at most"
)
both_ways = copy.copy(model)  # the same weights
both_ways.config = replace(model.config, causal=False)  # and another setting
river, england = (
    stream_of("The bank of the river", both_ways),
    stream_of("The bank of England", both_ways),
)
unmasked = torch.cosine_similarity(river[:, 2], england[:, 2], dim=-1)
print(
    f"without the mask, cosine of bank and bank: first {unmasked[0]:.2f}, lowest {unmasked.min():.2f}"
)

# %% [markdown]
# ## 2. A leak looks like skill
#
# **Claim**. A mask that shows one position too many makes the training loss lower than any honest model can reach, and
# the model worse.
#
# **Refuted if** the loss stays at or above what is possible, or if the model is as good once the mask is right.
#
# **Method**. Random digits have a known floor: nothing about them can be learned, so no honest model does better than
# ln 10 = 2.303 nats per digit. The model is one attention layer over 32 positions, trained for 100 updates.
#
# **Controls**. The same model with the right mask; three seeds each; and the leaky models again under the right mask,
# as they would have to generate.


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
honest = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
leaky = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril(1)  # one position too many


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
leak_guess = predict(
    "How low does the loss fall with the leak? Honest models stay above 2.303 nats.",
    ["to about 2.2", "to about 1", "below 0.3"],
)

# %% tags=["nbval-ignore-output"]
torch.manual_seed(99)
fresh = torch.randint(10, (200, LENGTH + 1))
fair = [train(honest, seed) for seed in range(3)]
cheats = [train(leaky, seed) for seed in range(3)]
losses = {
    "honest mask": [loss_on(model, fresh, honest).item() for model in fair],
    "leaky mask": [loss_on(model, fresh, leaky).item() for model in cheats],
    "trained leaky, then masked": [
        loss_on(model, fresh, honest).item() for model in cheats
    ],
}
for name, three in losses.items():
    print(f"{name:27}", *(f"{loss:.3f}" for loss in three), "nats per digit")
floor = math.log(10)
print(f"the floor: {floor:.3f}   a perfect cheat: {floor / LENGTH:.3f}")

# %% tags=["test"]
assert 2.29 < min(losses["honest mask"]) <= max(losses["honest mask"]) < 2.40
assert max(losses["leaky mask"]) < 0.3
assert min(losses["trained leaky, then masked"]) > 2.4

# %%
leak_guess.answer("below 0.3")

# %% [markdown]
# **Result**. With the leak, the loss falls to about 0.08 nats per digit. It doesn't reach 0, since the last of the 32
# positions has no next one to look at: a perfect cheat pays ln 10 / 32 = 0.072. Under the right mask the same models
# pay
# 3.5, more than a model that knows nothing.
#
# **Your choice**: another `LENGTH`. Predict first: what does a perfect cheat pay at 8 positions?
#
# **Verdict**. Holds. So when a loss is wonderful, run the test of lesson 04 first: change token t, and nothing before t
# may move.
#
# ### Which wrong masks leak?
#
# Three masks that went wrong in real projects, and finite numbers in place of minus infinity. `mine.attention` is
# yours, if you wrote it in lesson 04.


# %%
def moved_too_early(layer, T=6, D=8):
    """The pairs (early, t) where a change of token t moves an earlier output."""
    torch.manual_seed(0)
    x, pairs = torch.randn(T, D), []
    before = layer(x)
    for t in range(T):
        changed = x.clone()
        changed[t] = torch.randn(D)
        moved = (layer(changed) - before).abs().amax(-1) > 1e-6
        pairs += [(early, t) for early in range(t) if moved[early]]
    return pairs


def hidden_by(number):
    """Causal attention of x with itself that hides by another score."""

    def layer(x):
        scores = x @ x.T / math.sqrt(x.shape[-1])
        return scores.masked_fill(~mine.causal_mask(len(x)), number).softmax(-1) @ x

    return layer


# %%
def zeroed_after_softmax(x):
    return (
        (x @ x.T / math.sqrt(x.shape[-1])).softmax(-1) * mine.causal_mask(len(x))
    ) @ x


forms = {
    "right": lambda x: mine.attention(x, x, x, mine.causal_mask(len(x))),
    "off by one": lambda x: mine.attention(
        x, x, x, torch.ones(len(x), len(x)).tril(1).bool()
    ),
    "zeroed after softmax": zeroed_after_softmax,
}
forms |= {f"hidden score {number:g}": hidden_by(number) for number in (-10, -100, -1e9)}
for name, form in forms.items():
    print(f"{name:22} {len(moved_too_early(form)):2} of 15 pairs moved")

# %% [markdown]
# *Off by one* leaks to the five positions just before a change. *Zeroed after softmax* leaks everywhere: the hidden
# scores are still in the sum. And -10 leaks, since exp(-10) isn't 0. How far is far enough depends on the model: layer
# 18 of SmolLM2 has *visible* scores below -40 (see below).
#
# -1e9 passes here, since exp(-1e9) is 0 in 32 bits. It fails where *everything* is hidden, as for the padding in front
# of a short text: all scores tie, and softmax averages over what was forbidden. Minus infinity gives NaN there, which
# nobody overlooks. (-10,000 in older code comes from 16-bit floats, which end at 65,504.)

# %%
torch.manual_seed(0)
x = torch.randn(5, 8)
hidden = torch.zeros(5, 5)  # the scores don't matter: all are hidden
finite, infinite = ((hidden + number).softmax(-1) @ x for number in (-1e9, -math.inf))
torch.testing.assert_close(finite[0], x.mean(0))  # the average of all hidden ones
print("hidden score -1e9:", *(f"{number:.4f}" for number in finite[0, :3]))
print("hidden score -inf:", *infinite[0, :3].tolist())

# %% [markdown]
# ## 3. A head that matters, and one that does not
#
# **Claim**. An attention map shows what a head does for the model.
#
# **Refuted if** two heads have the same map on the same texts, and removing one changes the model's behavior a lot and
# removing the other doesn't.
#
# **Method**. The behavior is copying: 16 random words, then the same 16 again. In the second copy each word can be read
# off the first. Two kinds of heads look useful here. A **previous-token head** looks at the token before. An
# **induction head** looks at the token *after* the earlier occurrence of the present one, which is the word to copy
# (Olsson et al. 2022). To remove a head, we replace its output by its mean over texts. (Zero would be a vector that the
# later layers have never seen.) The effect is the increase of the loss on the second copy.
#
# **Controls**. We search on eight texts and measure on 24 others, so chance in the search cannot help. The first copy
# has nothing to copy: its loss should stay. Effects are paired by text, with standard errors.

# %%
N = 16  # words
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
    nats = F.cross_entropy(
        model(ids[:, :-1]).mT, ids[:, 1:], reduction="none"
    )  # (B, T)
    return nats[:, 1:N].mean(1), nats[:, N + 1 :].mean(1)


# %%
means = head_outputs(model, search)[:, :, :, 1:].mean((1, 3))  # (L, H, D)


def effects(head, ids, intact):
    """What the loss on both copies gains when a head is removed, per text."""
    with ablate_heads(model, {head: means[head]}):
        return [
            after - before
            for after, before in zip(copy_losses(ids), intact, strict=True)
        ]


intact = copy_losses(search)
print(
    f"loss on the first copy {intact[0].mean():.1f}, on the second {intact[1].mean():.1f} nats per token"
)

# %% [markdown]
# ### The search
#
# On the eight texts: the five heads of each kind that look hardest, and what removing each does.

# %%
candidates = []
for kind, share in looks(search).items():
    for place in share.flatten().topk(5).indices.tolist():
        head = divmod(place, 9)  # layer and head
        gain = effects(head, search, intact)[1].mean().item()
        candidates.append((kind, gain, head, share[head].item()))
        print(
            f"{kind:9} head {label(head):4}  looks there with {share[head]:.2f}",
            end=", ",
        )
        print(f"loss {round(gain, 1) + 0.0:+.1f}")

# %% [markdown]
# We take the previous-token heads that look hardest, with more than 0.8: of these the one whose removal does most, and
# the one whose removal does least. And the induction head whose removal does most.

# %%
clear = sorted(
    (gain, head)
    for kind, gain, head, share in candidates
    if kind == "previous" and share > 0.8
)
idle, needed = clear[0][1], clear[-1][1]
inductive = max(
    (gain, head) for kind, gain, head, _ in candidates if kind == "induction"
)[1]
print(
    "previous-token heads:",
    label(needed),
    "and",
    label(idle),
    "  induction head:",
    label(inductive),
)

# %%
removal_guess = predict(
    "16.0 and 11.1 both look at the previous token. Which removal harms copying?",
    ["both do", "only that of 16.0", "only that of 11.1", "neither"],
)

# %% [markdown]
# ### The measurement, on 24 new texts


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

# %%
increases, standard_errors = zip(*gains.values(), strict=True)
removal_guess.answer("only that of 16.0")
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
# **Result**. Heads 16.0 and 11.1 look at the previous token with 0.90 and 0.86 of their attention. Without 16.0 the
# loss on the second copy rises by 3.0 nats per token, without 11.1 by -0.02 ± 0.03. The first copy changes by 0.05 or
# less, so what is lost is copying, not prediction in general. The induction head 18.6 costs 1.4.
#
# **Verdict**. Loose. Two equal maps, two effects: a map shows where a head looks, and what comes of it only an
# experiment shows. A likely reason is that 16.0 passes on which token came before, just below the induction heads of
# layers 17 and 18 that need it (Olsson et al. 2022); we have not tested that path. Nor is 11.1 useless: it may serve
# something else, or others may fill in for it. An ablation answers only the question that was asked.
#
# **Your choice**: another `N`. With 4 words there is less to look back for; does 11.1 stay idle?
#
# ### The head with the best picture
#
# In "The river was high, so the ferryman tied his boat to the bank", head 9.2 gives *river* 0.73 of its attention. Does
# it tell *bank* the topic? We take texts in which only one noun says what the topic is, check that the head looks at
# that noun, and measure the gap of *bank* with and without the head. Its mean output comes from the 24 texts of
# experiment 1.

# %%
SENTENCE = "The {} was gone, so the ferryman took the road to the bank"
NOUNS = """money loan cash gold debt salary credit savings rent wages profit tax
river stream water lake tide canal creek flood pond rain harbor ferry"""
texts = torch.tensor(
    [with_start(SENTENCE.format(noun)) for noun in NOUNS.split()]
)  # (B, T)
seen = trace(model, texts)
to_noun = seen.weights[9, :, :, -1, 2]  # (B, H); the noun stands after START and The
others = to_noun[:, [h for h in range(9) if h != 2]].amax(1)
print(
    "head 9.2 gives the noun {:.2f} ± {:.2f} of its attention".format(
        *with_error(to_noun[:, 2])
    )
)
print(f"the largest of the other heads in its layer: {others.mean():.2f}")

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
print(
    f"gap of bank, mean from depth 10 on: {before:.2f} with head 9.2, {after:.2f} without it"
)
print(f"the change: {after - before:+.2f} ± {jackknife(change):.2f}")

# %% tags=["test"]
assert abs(after - before) < 0.1

# %% [markdown]
# The head gives the noun half of its attention, three times as much as any other head of its layer. Without it, the gap
# is not smaller: it changes by +0.04 ± 0.02. In these texts, the head with the best picture is not needed to tell the
# two *banks* apart. That was done earlier: in experiment 1 the gap stands at 0.54 after three blocks, and this head
# works in the tenth. In the texts of experiment 1, too, the head looks mostly at the opening, and the gap stays as it
# was:

# %%
to_opening = trace(model, ids).weights[9, torch.arange(24), 2, ends]  # (B, S)
in_opening = (place > 0) & (place <= ends[:, None] - 10)  # the ending has ten tokens
with ablate_heads(model, {(9, 2): mean_output}):
    without = separation(last_vectors("bank"), groups).cosine_gap[10]
print(f"attention to the opening: {(to_opening * in_opening).sum(-1).mean():.2f}")
print(
    f"gap at depth 10: {bank.cosine_gap[10]:.2f} with the head, {without:.2f} without it"
)

# %% [markdown]
# ## Shorter measurements
#
# ### Why divide?
#
# The lesson said: dividing by √D gives a start that does not depend on the width. How bad is it without? Training moves
# W_Q and W_K, so take the slope of the largest of 64 weights with respect to the plain dot product of query and key.
# For the undivided head that is w (1 - w); the divided head has another factor 1/√D.


# %%
def at_the_start(D, divisor):
    """The largest of 64 weights and its slope: medians of 500 random queries."""
    products = (torch.randn(500, D) @ torch.randn(64, D).T).requires_grad_()
    largest = (products / divisor).softmax(-1).max(-1)
    largest.values.sum().backward()
    slopes = products.grad.gather(-1, largest.indices[:, None])
    return largest.values.median().item(), slopes.median().item()


torch.manual_seed(0)
widths = [4, 16, 64, 256, 1024]
rows = {"divided": [], "not divided": []}
for D in widths:
    rows["divided"].append(at_the_start(D, math.sqrt(D)))
    rows["not divided"].append(at_the_start(D, 1))
    (w, slope), (w_plain, slope_plain) = rows["divided"][-1], rows["not divided"][-1]
    print(f"D = {D:4}: weight {w:.2f} divided, {w_plain:.2f} undivided;", end=" ")
    print(f"slope {slope:.4f} divided, {slope_plain:.5f} undivided")

# %%
show(
    lines(
        {name: [slope for _, slope in row] for name, row in rows.items()},
        "D, the width of the head",
        "slope of the largest weight",
        x=widths,
        log_x=True,
        log_y=True,
    ),
    title="Without the division, the slope collapses only in very wide heads",
    alt="The slope of the largest weight by the dot product, against the width. Undivided it is larger up to "
    f"256 and falls to {slope_plain:.5f} at 1,024, where the divided head has {slope:.4f}.",
)

# %% [markdown]
# Up to D = 256 the undivided head has the larger slope, and D = 64 is the width of SmolLM2's heads. The
# cliff is at 1,024. So the division is a matter of the *start*, and what it buys is the first column: the largest
# weight is the same at every width. After training, scores spread as each layer needs it. Here are three layers of
# SmolLM2, beside fresh weights with a standard deviation of 0.02, as GPT-2 began:

# %%
TEXTS = {
    "river": "The river was high, so the ferryman tied his boat to the bank"
    " and waited for the rain to stop.",
    "money": "The money was gone, so the ferryman took the road to the bank"
    " and asked there for a new loan.",
}
ids_of = {name: torch.tensor([with_start(text)]) for name, text in TEXTS.items()}
tokens = {
    name: ["START", *map(pieces.get, row[0, 1:].tolist())]
    for name, row in ids_of.items()
}
traces = {name: trace(model, row) for name, row in ids_of.items()}
angles = rotary_angles(torch.arange(24), d_head=64, theta=model.config.rope_theta)


# %%
@torch.no_grad()
def visible_scores(attention, x):
    """All scores that the mask lets through, from all heads of a layer, in one row."""
    query, key, _ = attention.project(x, angles)
    scores = query[0] @ key[0].repeat_interleave(3, dim=0).mT / 8  # (H, T, S)
    return scores[:, package.causal_mask(24, 24)].flatten()


torch.manual_seed(0)
fresh_layer = copy.deepcopy(model.blocks[9].attention).requires_grad_(False)
for weight in fresh_layer.parameters():
    weight.normal_(std=0.02)
normed = {
    layer: model.blocks[layer].attention_norm(traces["river"].stream[layer])
    for layer in (0, 9, 18)
}
spread = {"fresh": visible_scores(fresh_layer, F.rms_norm(normed[9], (576,)))}
spread |= {
    f"layer {layer}": visible_scores(model.blocks[layer].attention, x)
    for layer, x in normed.items()
}
for name, scores in spread.items():
    print(f"{name:8} spread {scores.std():.1f}, lowest {scores.min():.1f}")

# %% [markdown]
# ### Attention sinks
#
# Most heads, most of the time, look at the first token. How much?

# %%
weights = traces["river"].weights[:, 0]  # (L, H, T, S)
to_first = weights[:, :, 1:, 0].mean(-1)  # (L, H); the first query has no choice
even = sum(1 / (t + 1) for t in range(1, 24)) / 23
print(
    f"attention to the first token: {to_first.mean():.2f} of all; if spread evenly, {even:.2f}"
)
print(f"layer 18, head 7: {to_first[18, 7]:.3f}")
_, _, value = model.blocks[18].attention.project(normed[18], angles)
norms = value[0, 7 // 3].norm(dim=-1)  # query head 7 reads key/value head 2
print(f"norm of the first token's value: {norms[0]:.2f}")
print(f"of the others, on average: {norms[1:].mean():.2f}")
headless = trace(model, ids_of["river"][:, 1:]).weights[:, 0, :, 1:, 0].mean()
print(f"without START, attention to the first word, 'The': {headless:.2f} of all")

# %% [markdown]
# Half of all attention goes to a token that says only that a text begins. Its value has less than a tenth of the norm
# of the others, so almost nothing arrives. Softmax must give 100 % to something; a head with nothing to read gives it
# to a position where it does no harm. Such a position is called an **attention sink** (Xiao et al. 2023). Without
# `START`, the first word takes its role.
#
# ### The attention explorer
#
# All 270 heads on two texts. Begin with layer 9, head 2 at *bank*: *river* in one text, *money* in the other. Point at
# any token, or reach it with the Tab key: the numbers say in percent what it reads from the tokens before it. Then move
# the sliders. Try layer 16, head 0 and layer 11, head 1 (experiment 3), then layer 18, head 7. With the box ticked, the
# first token is left out and the rest is scaled up to 1.


# %%
def look_at(text, layer, head, token, without_the_first_token):
    weights = traces[text].weights[layer, 0, head].clone()  # (T, S)
    if without_the_first_token:
        weights[1:, 0] = 0
        weights /= weights.sum(-1, keepdim=True)
    names, row = tokens[text], weights[token]
    largest = [s for s in row.argsort(descending=True).tolist()[:3] if row[s] > 0.005]
    shares = ", ".join(f"{names[s]!r} {row[s]:.2f}" for s in largest)
    sentence = f"Layer {layer}, head {head}: {names[token]!r} looks at {shares}."
    return (
        attention_arcs(names, row, token),
        sentence,
        hover_tokens(names, weights, token),
    )


# %%
TokenExplorer(
    look_at,
    layer=IntSlider(9, 0, 29),
    head=IntSlider(2, 0, 8),
    token=IntSlider(15, 1, 23),
    without_the_first_token=False,
    text=list(TEXTS),
)

# %% [markdown]
# ### Softmax in blocks, and what a kernel saves
#
# The weights of one layer at T = 8,192 would take 2.4 GB. torch's kernel doesn't store them. Softmax seems to need the
# whole row before it can divide. It doesn't: go through the keys in blocks and keep, for each query, the largest score
# so far, the sum of the exponentials and the mix. If a block brings a larger score, scale down what was summed before.


# %%
def in_blocks(query, key, value, size):
    """One causal head, `size` keys at a time: (T, D), (S, D), (S, D) -> (T, D)."""
    rows = []
    for t, q in enumerate(query):
        largest, total, mix = torch.tensor(-math.inf), 0.0, 0.0
        for block in torch.arange(t + 1).split(size):  # the visible keys only
            scores = key[block] @ q / math.sqrt(len(q))
            before, largest = largest, torch.maximum(largest, scores.max())
            powers, shrink = (scores - largest).exp(), (before - largest).exp()
            total, mix = (
                total * shrink + powers.sum(),
                mix * shrink + powers @ value[block],
            )
        rows.append(mix / total)
    return torch.stack(rows)


torch.manual_seed(0)
q, k, v = torch.randn(3, 6, 8)
for size in (1, 2, 5):
    expected = mine.attention(q, k, v, mine.causal_mask(6))
    torch.testing.assert_close(in_blocks(q, k, v, size), expected)
stored, result = 9 * 8192 * 8192, 9 * 8192 * 64  # numbers
print(f"weights of one layer at T = 8192: {stored * 4 / 1e9:.1f} GB in 32 bits")
print(f"its result: {result * 4 / 1e9:.3f} GB")

# %% [markdown]
# This is the heart of *FlashAttention* (Dao et al. 2022). A kernel does it for many queries at once in the fastest
# memory of the chip. The products are the same; the memory isn't. (Where torch has no such kernel for your device, mask
# or number format, it falls back to matrices, which store the weights.)
#
# **An experiment of your own**: can a causal model look ahead after all? Say it twice (Springer et al. 2024): "The bank
# was near. The otters were swimming upstream. The bank was near." The second *bank* has seen everything. Change
# `batch` so that the opening comes after the first *bank*, measure the gap at both, and again with *wall*. Predict all
# four numbers before you run it.
#
# **Next**: the [graded questions](../exercises/04_attention/04_attention.ipynb), or
# [lesson 05](05_feed_forward.ipynb).
