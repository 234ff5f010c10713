"""The longest stretch without anything to do, and predictions that are answered by hand, on made-up cells."""

import nbformat
import pytest

from tools.pace import Stretch, complaints, longest, stretches, typed_answers

CODE, TEXT = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
TURN = '@your_turn("04.heads", minutes=15, difficulty=4)\nclass MultiHead:\n    ...'
QUESTION = "<details>\n<summary>Open {}</summary>\n\nfolded words are not counted\n</details>\n\n"


def words(n):
    return TEXT("word " * n)


def test_a_stretch_ends_at_something_to_do():
    cells = [words(100), CODE("x = 1"), CODE('guess = predict("?", ["a", "b"])'), CODE("y = 1"), words(30), CODE(TURN)]
    assert stretches(cells) == [Stretch(1, 3, 100, 1), Stretch(4, 6, 30, 1)]
    assert longest(cells) == Stretch(1, 3, 100, 1)
    assert str(longest(cells)) == "cells 1 to 3: 100 words, 1 code cells"
    assert longest([CODE(TURN)]) == Stretch(1, 1, 0, 0)


@pytest.mark.parametrize(
    "source",
    [
        TURN,
        'guess = predict("?", ["a", "b"])',
        'n = predict_number("?")',
        "Explorer(draw, n=range(3))",
        "TokenExplorer(x)",
        "interact(draw, n=3)",
        "widgets.IntSlider(3)",
        "seed = 0  # change this",
        "swap = 'wall'  # Change this to any word",
    ],
)
def test_what_counts_as_something_to_do(source):
    assert len(stretches([words(1), CODE(source), words(1)])) == 2


@pytest.mark.parametrize("source", ["guess.answer(x)", "predicted = model(x)", "show(figure, alt='x')", "# changed it"])
def test_what_does_not(source):
    assert len(stretches([words(1), CODE(source), words(1)])) == 1


def test_each_question_of_the_quiz_is_something_to_decide():
    quiz = TEXT("one two three " + QUESTION.format(1) + "four five " + QUESTION.format(2) + "six")
    assert [stretch.words for stretch in stretches([words(10), quiz])] == [13, 2, 1]


def test_code_in_text_and_cells_that_test_the_lesson_are_not_read():
    folded = TEXT("<details><summary>Solution</summary>\n\n```python\nmany words of code\n```\n\n</details>")
    test = CODE("assert x", metadata={"tags": ["test"]})
    assert stretches([words(5), folded, test, test]) == [Stretch(1, 2, 6, 0)]


@pytest.mark.parametrize(("n", "cells", "said"), [(400, 6, 0), (401, 6, 1), (400, 7, 1)])
def test_a_stretch_may_hold_400_words_and_six_code_cells(n, cells, said):
    page = [words(n), *[CODE("x = 1")] * cells]
    found = list(complaints([CODE(TURN), *page, CODE(TURN)]))
    assert len(found) == said
    if said:
        assert found[0].startswith(
            f"nothing to type, click or decide in cells 2 to {cells + 3}: {n} words, {cells} code"
        )
        assert found[0].endswith("the most is 400 words or 6 code cells")


PREDICTED = CODE('guess = predict("?", ["a", "b"])\nn = predict_number("?")')


@pytest.mark.parametrize("given", ['"a"', "41", "-0.5", "['a']"])
def test_a_literal_answers_no_prediction(given):
    (said,) = typed_answers([PREDICTED, CODE(f"guess.answer({given}, show=draw)")])
    assert said.startswith(f"cell 2 answers `guess` by {given.replace(chr(34), chr(39))}; compute the answer from")


@pytest.mark.parametrize(
    "source",
    [
        'guess.answer("a" if x > 1 else "b")',
        "n.answer(sum(hits))",
        "guess.answer_by(values)",
        'model.answer("a")',
        "n.answer()",
    ],
)
def test_an_answer_of_the_data_and_other_answers_are_left_in_peace(source):
    assert list(typed_answers([PREDICTED, CODE(source)])) == []
