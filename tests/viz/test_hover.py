"""Tokens to point at: every weight reaches the page, nothing in a token can become markup, wrong input is refused."""

import re
from html.parser import HTMLParser

import pytest
import torch

from minillm.errors import UserError
from minillm.viz.figures import attention_arcs
from minillm.viz.hover import MOST_TOKENS, HeadExplorer, TokenExplorer, hover_tokens

TOKENS = ["<|im_start|>", " the", " \"&'</span><script>alert(1)</script>", "\n", "語"]


class Page(HTMLParser):
    """The tokens of a block as (text, attributes), and every tag that occurs."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.spans = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "span":
            self.spans.append(["", dict(attributes)])

    def handle_data(self, data):
        if self.tags[-1] == "span":
            self.spans[-1][0] += data


def causal_weights(T, seed=0):
    scores = 3 * torch.randn(T, T, generator=torch.Generator().manual_seed(seed))
    return scores.masked_fill(~torch.ones(T, T, dtype=torch.bool).tril(), -torch.inf).softmax(-1)


def shares_of(span):
    """The numbers that a token carries: {"own": 25, "p0": 100, ...}."""
    return {name: int(share) for name, share in re.findall(r"--(\w+):(\d+)", span[1]["style"])}


@pytest.mark.parametrize("query", [0, 3])
def test_every_token_carries_the_weights_of_every_query(query):
    weights = causal_weights(5)
    spans = Page(hover_tokens(TOKENS, weights, query)).spans
    assert len(spans) == 5
    for s, span in enumerate(spans):
        expected = {f"p{t}": round(100 * weights[t, s].item()) for t in range(5)}
        assert shares_of(span) == {"own": expected[f"p{query}"], **expected}
        assert ("class" in span[1]) is (s == query)


def test_each_token_has_one_rule_for_the_pointer_and_one_for_the_keyboard():
    page = hover_tokens(["a", "b", "c"], causal_weights(3), 0)
    for how in ("hover", "focus"):
        rules = re.findall(rf":has\(> :nth-child\((\d)\):{how}\) > span {{ --p: var\(--p(\d)\) }}", page)
        assert rules == [("1", "0"), ("2", "1"), ("3", "2")]
    assert page.rindex(":focus) > span { --p") < page.index(":hover) > span { --p"), "under the pointer comes last"


def test_a_token_is_text_whatever_stands_in_it():
    page = Page(hover_tokens(TOKENS, causal_weights(5), 2))
    assert set(page.tags) == {"style", "div", "p", "span"}
    assert [text for text, _ in page.spans] == [
        "<|im_start|>",
        "␣the",
        "␣\"&'</span><script>alert(1)</script>",
        "↵",
        "\\u8a9e",
    ]


def test_a_screen_reader_hears_who_takes_how_much_from_whom():
    weights = [[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0.2, 0.7, 0.1, 0], [0.4, 0.3, 0.2, 0.1]]
    spans = Page(hover_tokens(["<s>", " the", " cat", "\n"], weights, 0)).spans
    assert [attributes["aria-label"] for _, attributes in spans] == [
        "<s> takes 1.00 from <s>",
        "the takes 0.50 from <s>, 0.50 from the",
        "cat takes 0.70 from the, 0.20 from <s>, 0.10 from cat",
        "↵ takes 0.40 from <s>, 0.30 from the, 0.20 from cat",
    ]
    assert all(attributes["tabindex"] == "0" for _, attributes in spans), "the Tab key reaches every token"


@pytest.mark.parametrize(
    ("tokens", "weights", "query", "sentence"),
    [
        (["a", "b"], torch.eye(3), 0, r"weights of shape \(3, 3\) for 2 tokens; give one head's square"),
        (["a", "b"], torch.eye(2)[None], 0, r"weights of shape \(1, 2, 2\) for 2 tokens"),
        ([], torch.zeros(0, 0), 0, "for 0 tokens"),
        (["a", "b"], torch.eye(2), 2, "there is no query 2; the tokens are numbered 0 to 1"),
        (["a", "b"], torch.eye(2), -1, "there is no query -1"),
        (["a", "b"], torch.tensor([[1.0, 0.0], [3.0, -2.0]]), 0, "are these scores, from before the softmax"),
        (["a", "b"], torch.tensor([[1.0, 0.0], [torch.nan, 1.0]]), 0, "weights must be between 0 and 1"),
        (["a"] * (MOST_TOKENS + 1), torch.eye(MOST_TOKENS + 1), 0, "101 tokens are too many to point at"),
    ],
)
def test_invalid_input_is_rejected(tokens, weights, query, sentence):
    with pytest.raises(ValueError, match=sentence):
        hover_tokens(tokens, weights, query)


def test_the_tokens_follow_the_controls_and_stand_above_the_picture():
    tokens, weights = ["a", "b", "c"], causal_weights(3)

    def look(token):
        figure = attention_arcs(tokens, weights[token], token)
        return figure, f"Token {token} looks.", hover_tokens(tokens, weights, token)

    explorer = TokenExplorer(look, token=range(3))
    before = explorer.tokens.value
    assert before == hover_tokens(tokens, weights, 0)
    explorer.controls["token"].value = 2
    assert explorer.tokens.value == hover_tokens(tokens, weights, 2) != before
    assert explorer.sentence == "Token 2 looks."
    assert explorer.children.index(explorer.tokens) == explorer.children.index(explorer.picture) - 1
    explorer.close()
    assert explorer.tokens.comm is None


def test_the_head_explorer_draws_what_the_sliders_say():
    weights = torch.rand(3, 2, 4, 4).tril()
    weights = weights / weights.sum(-1, keepdim=True)
    tokens = ["The", " cat", " sat", " down"]
    explorer = HeadExplorer(tokens, weights, layer=2, head=1)
    most = int(weights[2, 1, 3].argmax())
    assert explorer.sentence.startswith(f'Layer 2, head 1: " down" reads most from "{tokens[most]}"')
    explorer.controls["layer"].value, explorer.controls["token"].value = 0, 1
    most = int(weights[0, 1, 1].argmax())
    assert explorer.sentence == (
        f'Layer 0, head 1: " cat" reads most from "{tokens[most]}" ({weights[0, 1, 1, most]:.2f}).'
    )
    assert HeadExplorer(tokens, weights, 0, 0, token=2).values == {"layer": 0, "head": 0, "token": 2}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((["a"], [[1.0]], 0, 0), r"weights of shape \(1, 1\) for 1 tokens; give those of all heads, \(L, H, T, T\)"),
        ((["a"], [[[[1.0]]]], 1, 0), r"there is no token 0 of head 1.0; here are 1 tokens, 1 layers, 1 heads"),
        ((["a"], [[[[1.0]]]], 0, 0, 5), "there is no token 5 of head 0.0"),
    ],
)
def test_the_head_explorer_names_what_is_not_there(arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        HeadExplorer(*arguments)
