"""The explorer answers its controls, survives a failing draw, and leaves a picture where no kernel is."""

import base64

import ipywidgets as widgets
import pytest

from minillm.viz.explorer import Explorer
from minillm.viz.figures import bars, shown_size

PNG = b"\x89PNG"


def draw_bars(length, upside_down=False):
    if length == 3:
        raise RuntimeError("three is not drawn")
    return bars(["n"], [-length if upside_down else length], unit=""), f"A bar of length {length}."


@pytest.fixture
def explorer():
    explorer = Explorer(draw_bars, length=range(1, 6), upside_down=False)
    yield explorer
    explorer.close()


def test_a_moved_control_changes_picture_and_sentence(explorer):
    first = explorer.png
    assert first.startswith(PNG)
    explorer.controls["length"].value = 5
    assert explorer.png.startswith(PNG)
    assert explorer.png != first
    assert base64.b64encode(explorer.png).decode() in explorer.picture.value
    assert explorer.sentence == "A bar of length 5."
    assert "A bar of length 5." in explorer.caption.value
    assert 'alt="A bar of length 5."' in explorer.picture.value
    assert explorer.values == {"length": 5, "upside_down": False}


def test_a_sentence_with_markup_in_it_stays_a_sentence():
    explorer = Explorer(lambda n: (bars(["n"], [1.0], unit=""), 'Is "a" < b?'), n=range(2))
    assert 'alt="Is &quot;a&quot; &lt; b?"' in explorer.picture.value
    assert "&lt; b?" in explorer.caption.value


def test_an_error_in_draw_becomes_a_sentence_and_the_next_setting_works(explorer):
    before = explorer.picture.value
    explorer.controls["length"].value = 3
    assert explorer.sentence.startswith("No picture for this setting: three is not drawn (RuntimeError).")
    assert explorer.picture.value == before
    explorer.controls["length"].value = 4
    assert explorer.sentence == "A bar of length 4."


def test_an_error_in_the_first_drawing_is_the_authors():
    with pytest.raises(RuntimeError, match="three is not drawn"):
        Explorer(draw_bars, length=range(3, 5))


def test_the_bundle_holds_live_view_picture_and_steady_text(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    assert data["image/png"] == explorer.png
    assert data["text/plain"] == "Explorer(length=1, upside_down=False): A bar of length 1."
    assert metadata["image/png"]["alt"] == "A bar of length 1."
    assert metadata["image/png"]["width"] == shown_size(explorer.png)[0]


def test_every_control_carries_its_label(explorer):
    assert [control.description for control in explorer.controls.values()] == ["length", "upside down"]


@pytest.mark.parametrize(
    ("kind", "control", "value"),
    [
        (range(2, 11, 4), widgets.IntSlider, 2),
        ((0.1, 2.0, 0.1), widgets.FloatSlider, 0.1),
        (["Hello", "Bonjour"], widgets.Dropdown, "Hello"),
        (True, widgets.Checkbox, True),
        ("Hello", widgets.Text, "Hello"),
        (widgets.FloatSlider(0.7, min=0.1, max=2.0), widgets.FloatSlider, 0.7),
    ],
)
def test_a_keyword_becomes_a_control(kind, control, value):
    seen = []

    def draw(setting):
        seen.append(setting)
        return bars(["n"], [1.0], unit=""), "One bar."

    explorer = Explorer(draw, setting=kind)
    assert type(explorer.controls["setting"]) is control
    assert seen == [value]
    explorer.close()


def test_a_ready_made_control_gets_the_label_it_lacks_and_room_for_it():
    slider, named = widgets.FloatSlider(0.7), widgets.FloatSlider(0.7, description="heat")
    explorer = Explorer(lambda top_p, heat: (bars(["n"], [heat], unit=""), "One bar."), top_p=slider, heat=named)
    assert (slider.description, named.description) == ("top p", "heat")
    assert slider.style.description_width == "initial", "ipywidgets cuts long labels otherwise"
    explorer.close()


def test_a_range_ends_where_it_ends():
    slider = Explorer(draw_bars, length=range(0, 11, 4)).controls["length"]
    assert (slider.min, slider.max, slider.step) == (0, 8, 4)


@pytest.mark.parametrize("kind", [range(0), (1, 2), [], 7, None])
def test_an_unknown_kind_of_control_is_refused_by_name(kind):
    with pytest.raises(ValueError, match="no control for length="):
        Explorer(draw_bars, length=kind)


def test_an_explorer_without_controls_is_a_figure():
    with pytest.raises(ValueError, match="name at least one, for example"):
        Explorer(draw_bars)


def test_a_closed_explorer_is_gone_and_draws_no_more():
    drawn = []

    def draw(length):
        drawn.append(length)
        return draw_bars(length)

    explorer = Explorer(draw, length=range(1, 3))
    control = explorer.controls["length"]
    explorer.close()
    control.value = 2
    assert drawn == [1]
    assert explorer.comm is None
    assert control.comm is None
    assert explorer.picture.comm is None
    explorer.close()  # twice does no harm
