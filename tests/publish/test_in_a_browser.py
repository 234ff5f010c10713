"""A published page in Chromium, opened as a file: it writes, stops, can be used by keyboard, and asks for nothing."""

import math
import re
from collections import Counter
from urllib.parse import unquote

import pytest
import torch
from helpers import lively, small_config
from notebooks.test_browser import CHROMIUM, FLAGS

import minillm
from minillm.course import truth
from minillm.course.shipped import SHIPPED
from minillm.model.transformer import Transformer
from minillm.publish import Another, publish
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import read_metrics

pytestmark = pytest.mark.browser
EVIL = "</script><img src=x onerror=alert(1)><|im_start|>"


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.skip("there is no Chromium here; install it, or name it in the variable CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def base_page(tmp_path_factory):
    """The course's base model, in a folder with a space."""
    path = tmp_path_factory.mktemp("a folder") / "my model.html"
    model, tokenizer = minillm.load("course-base")
    metrics = read_metrics(SHIPPED / "base" / "metrics.jsonl")
    publish(model, tokenizer, path, "Tom's model", "Ada", "2026-11-30", metrics, ["The bank"])
    return path


@pytest.fixture(scope="module")
def tiny_page(tmp_path_factory):
    """A model that knows nothing, with 24 tokens of context, hostile names and no token that begins a text."""
    path = tmp_path_factory.mktemp("tiny") / "page.html"
    tokenizer = Tokenizer.train(["low lower lowest"], 270, ["</script>", "<|im_start|>"])
    publish(lively(Transformer(small_config(vocab_size=270))), tokenizer, path, EVIL, EVIL, EVIL, beginnings=[EVIL])
    return path


class Visit:
    """A page that is open, with what it asked for and what it complained about."""

    def __init__(self, chromium, path, **options):
        self.context = chromium.new_context(offline=True, **options)
        self.page = self.context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(unquote(request.url)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(path.as_uri())
        self.page.locator("main:not([hidden])").wait_for()
        self.page.select_option("#speed", "0")

    def written(self):
        """Wait until it stops writing; returns the text of the tokens."""
        self.page.locator("#write", has_text="Write").wait_for(timeout=60_000)
        return [text.replace("↵\n", "\n") for text in self.page.locator(".token").all_text_contents()]

    def status(self):
        return self.page.inner_text("#status")


@pytest.fixture
def visit(chromium):
    visits = []

    def open_page(path, **options):
        visits.append(Visit(chromium, path, **options))
        return visits[-1]

    yield open_page
    for seen in visits:
        assert seen.complaints == []
        assert len(seen.requests) == 1, "the page itself"
        assert seen.requests[0].startswith("file://")
        seen.context.close()


def test_it_opens_as_a_file_and_writes_what_python_writes(visit, base_page):
    model, tokenizer = minillm.load("course-base")
    seen = visit(base_page)
    page = seen.page
    assert page.title() == page.inner_text("h1") == "Tom's model"
    assert page.inner_text("#by") == "Trained by Ada, 2026-11-30"
    assert "0.360 nats, on average: it is 0.120 above it" in page.inner_text("#curve-says")
    page.locator("#temperature").fill("0")
    page.fill("#beginning", "The bank of the river")
    page.keyboard.press("Enter")
    seen.page.locator(".token").nth(8).wait_for()
    tokens = seen.written()
    ids = [tokenizer.bos_id, *tokenizer.encode("The bank of the river")]
    ids = minillm.generate(model, ids, max_new_tokens=250, temperature=0, stop=[tokenizer.eos_id])
    assert tokens == [tokenizer.decode([id]) for id in ids]
    assert "The text has ended." in seen.status()


def test_a_bar_goes_on_with_its_token_and_the_cache_goes_back(visit, base_page):
    seen = visit(base_page)
    page = seen.page
    page.click("#beginnings button")  # The bank
    page.locator(".token").nth(9).wait_for()
    seen.written()
    page.locator(".token").nth(2).click()  # of <|endoftext|> The bank
    before = page.locator("#bars button").all_inner_texts()[:10]  # and the token that came, where it is rare
    page.locator("#bars button").nth(1).click()
    assert page.locator(".token").count() == 4
    assert page.locator(".token").nth(3).get_attribute("title") == f"probability {before[1].split()[-1]}"
    page.keyboard.press("Tab")
    page.locator(".token").nth(2).click()
    assert page.locator("#bars button").all_inner_texts()[:10] == before, "the prediction before it is as it was"
    assert page.locator("#bars button.taken").inner_text() == before[1]
    page.locator(".token").nth(1).click()  # within what was typed
    page.locator("#bars button").nth(2).click()
    other = page.locator(".token").nth(2).text_content()
    assert page.locator(".token").count() == 3
    page.click("#one")
    tokens = seen.written()
    assert (len(tokens), tokens[2]) == (4, other), "it goes on from what was chosen"
    page.fill("#beginning", "The bank of")
    page.click("#one")
    assert seen.written()[:4] == ["<|endoftext|>", "The", " bank", " of"]


def test_all_heads_are_there_and_one_shades_the_text(visit, base_page):
    seen = visit(base_page)
    page = seen.page
    page.fill("#beginning", "Tom and Marta met at the")
    page.click("#one")
    seen.written()
    heads = page.locator("#heads button")
    assert heads.count() == 8
    drawn = page.evaluate(
        "[...document.querySelectorAll('canvas')].map(c => c.getContext('2d').getImageData(0, 0, 1, 1).data[3])"
    )
    assert drawn == [255] * 8, "the first token can see itself only"
    heads.nth(5).click()
    assert heads.nth(5).get_attribute("aria-pressed") == "true"
    says = page.inner_text("#head-says")
    assert re.fullmatch(r"Layer 3, head 2: “.+” attends most to (“.+” [\d.]+%(, )?){1,3}\.", says, re.DOTALL), says
    shares = page.evaluate("[...document.querySelectorAll('.token')].map(t => +t.style.getPropertyValue('--share'))")
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    page.fill("#beginning", "The")  # a shorter text, while a head is chosen
    page.click("#one")
    assert len(seen.written()) == 3
    heads.nth(5).click()
    assert page.inner_text("#head-says") == ""


def test_it_works_by_keyboard(visit, base_page):
    seen = visit(base_page)
    page = seen.page
    assert page.locator("#bars li").count() == 10  # of the first beginning, which is read at once
    assert seen.written()[0] == "<|endoftext|>"
    page.select_option("#speed", "15")
    page.focus("#beginning")
    page.keyboard.press("Control+a")
    page.keyboard.type("Tom")
    page.keyboard.press("Enter")
    page.locator(".token").nth(4).wait_for()
    page.keyboard.press("Escape")
    tokens = seen.written()
    assert "Stopped after" in seen.status() or "ended" in seen.status()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className").startswith("token"):
            break
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.textContent") == tokens[0] == "<|endoftext|>"
    page.keyboard.press("ArrowRight")
    assert page.inner_text("[aria-selected=true]") == tokens[1]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#bars') !== null")
    page.keyboard.press("Enter")
    assert page.locator(".token").count() == 3


def test_a_full_context_stops_with_a_word(visit, tiny_page):
    seen = visit(tiny_page)
    page = seen.page
    page.fill("#beginning", "low")
    page.keyboard.press("Enter")
    page.locator(".token").nth(23).wait_for()
    tokens = seen.written()
    assert len(tokens) == 24
    assert "The context of 24 tokens is full, so the text stops here. Start over to write more." in seen.status()
    page.locator(".token").last.click()
    page.locator("#bars button").first.click()
    assert "The context of 24 tokens is full. Select an earlier token, or start over." in seen.status()
    page.click("#clear")
    assert (page.locator(".token").count(), seen.status()) == (0, "")
    page.fill("#beginning", "x" * 24)
    page.keyboard.press("Enter")
    assert seen.status() == "This beginning has 24 tokens; the context holds 24. Shorten it."
    page.fill("#beginning", "")
    page.keyboard.press("Enter")
    assert seen.status() == "Type a beginning first: this tokenizer has no token that begins a text."


def test_hostile_text_stays_text(visit, tiny_page):
    seen = visit(tiny_page)
    page = seen.page
    assert page.title() == page.inner_text("h1") == page.inner_text("#beginnings button") == EVIL
    assert page.inner_text("#by") == f"Trained by {EVIL}, {EVIL}"
    page.fill("#beginning", "<|im_start|></b>")
    page.click("#one")
    tokens = seen.written()
    assert "".join(tokens[:-1]) == "<|im_start|></b>"
    assert page.locator(".token.special").count() <= 1, "typed, it is ordinary text"
    assert page.locator("img, b").count() == 0


def test_a_chat_model_answers_a_question_in_its_template(visit, tmp_path):
    model, tokenizer = minillm.load("course-sft")
    publish(model, tokenizer, tmp_path / "chat.html")
    seen = visit(tmp_path / "chat.html")
    page = seen.page
    page.locator("#temperature").fill("0")
    question = "What is <|im_end|>?"
    page.fill("#beginning", question)
    page.keyboard.press("Enter")
    ids = minillm.encode_chat(tokenizer, [{"role": "user", "content": question}])
    page.locator(".token").nth(len(ids)).wait_for()
    tokens = seen.written()
    assert page.locator(".token.given").count() == len(ids)
    ids = minillm.generate(model, ids, max_new_tokens=200, temperature=0, stop=[tokenizer.eos_id])
    assert tokens == [tokenizer.decode([id]) for id in ids]
    page.check("input[value=text]")
    assert page.inner_text("#beginning-label") == "Type a beginning"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_it_fits_any_screen(visit, base_page, width, scheme):
    seen = visit(base_page, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = seen.page
    page.fill("#beginning", "a" * 60 + " " + "long" * 20)
    page.click("#one")
    seen.written()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert (ink == "rgb(31, 41, 51)") == (scheme == "light")
    heights = page.evaluate("[...document.querySelectorAll('button, select, textarea')].map(e => e.offsetHeight)")
    assert min(height for height in heights if height) >= 32, "a finger would miss it"


def test_a_page_of_several_models_puts_the_same_text_to_another(visit, tmp_path):
    (base, sft), tokenizers = zip(*(minillm.load(f"course-{name}") for name in ("base", "sft")), strict=True)
    more = [Another("sft", sft, tokenizers[1])]
    publish(base, tokenizers[0], tmp_path / "two.html", metrics=[{"step": 1, "loss": 1.0}], more=more)
    seen = visit(tmp_path / "two.html")
    page = seen.page
    page.locator("#temperature").fill("0")
    page.fill("#beginning", "Who limps?")
    page.keyboard.press("Enter")
    page.locator(".token").nth(6).wait_for()
    assert seen.written()[0] == "<|endoftext|>"
    assert page.is_visible("#learning")
    page.select_option("#model", label="sft")
    page.locator("#text", has_text="assistant").wait_for()
    question = [{"role": "user", "content": "Who limps?"}]
    ids = minillm.encode_chat(tokenizers[1], question)
    ids = minillm.generate(sft, ids, max_new_tokens=200, temperature=0, stop=[tokenizers[1].eos_id])
    assert seen.written() == [tokenizers[1].decode([id]) for id in ids]
    assert not page.is_visible("#learning"), "this one came without metrics"


@pytest.fixture(scope="module")
def toy_page(tmp_path_factory):
    """The base model beside the truth, with the chat model to switch to."""
    path = tmp_path_factory.mktemp("toy") / "toy.html"
    (base, sft), (tokenizer, other) = zip(*(minillm.load(f"course-{name}") for name in ("base", "sft")), strict=True)
    publish(base, tokenizer, path, more=[Another("sft", sft, other)], truth=truth.stored())
    return path


def next_token(name, text):
    """The log-probabilities of the next token after a document's beginning."""
    model, tokenizer = minillm.load(f"course-{name}")
    with torch.no_grad():
        return model(torch.tensor([[tokenizer.bos_id, *tokenizer.encode(text)]]))[0, -1].double().log_softmax(-1)


def test_the_distance_to_the_truth_is_the_kl_divergence(visit, toy_page):
    seen = visit(toy_page)
    page, (_, tokenizer) = seen.page, minillm.load("course-base")
    for name in ("base", "sft"):
        page.select_option("#model", str(["base", "sft"].index(name)))
        for number, row in enumerate(truth.stored()["beginnings"]):
            page.select_option("#compare-beginning", str(number))
            p = Counter()
            for word, share in row["next"]:
                p[tokenizer.encode(word)[0] if word else tokenizer.bos_id] += share
            log_q = next_token(name, row["text"])
            kl = sum(share * (math.log(share) - log_q[id].item()) for id, share in p.items())
            told = re.search(r"KL divergence, is ([\d.]+) nats", page.inner_text("#compare-says"))
            assert float(told[1]) == pytest.approx(max(kl, 0), abs=2e-3)
            assert page.locator("#compare-bars tbody tr").count() >= min(8, len(p))


def test_the_game_ranks_the_players_by_their_losses(visit, toy_page):
    seen = visit(toy_page)
    page, (_, tokenizer) = seen.page, minillm.load("course-base")
    losses = dict.fromkeys(("you", "a bigram model", "the model", "the truth"), 0.0)
    questions = truth.stored()["questions"][:20]
    for number, question in enumerate(questions):
        assert f"Question {number + 1} of 20" in page.inner_text("#game-says")
        picked, sure = number % 4, (0.4, 0.6, 0.8, 0.95)[number % 3]
        page.check(f"input[name=sure][value='{sure}']")
        page.locator("#game-options button").nth(picked).click()
        first = [tokenizer.encode(word)[0] for word in question["options"]]
        assert len(set(first)) == 4, "with the course's tokenizer no question is left out"
        answer = question["answer"]
        losses["you"] -= math.log(sure if picked == answer else (1 - sure) / 3)
        losses["a bigram model"] -= math.log(question["bigram"][answer])
        losses["the truth"] -= math.log(question["truth"][answer])
        losses["the model"] -= next_token("base", question["text"])[first].log_softmax(-1)[answer].item()
        said = page.inner_text("#game-says")
        assert ("Right." in said) == (picked == answer)
        told = re.findall(r"(you|a bigram model|the model|the truth) (\d+\.\d+)", said.split("in nats:")[1])
        assert {player: float(loss) for player, loss in told} == pytest.approx(losses, abs=0.02)
        assert [float(loss) for _, loss in told] == sorted(float(loss) for _, loss in told)
        page.keyboard.press("Enter")  # on "Next"
    assert "Question 1 of 20" in page.inner_text("#game-says")


def test_without_a_truth_there_is_no_comparison(visit, base_page):
    seen = visit(base_page)
    assert not seen.page.is_visible("#compare")
    assert not seen.page.is_visible("#game")
