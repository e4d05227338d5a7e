"""The markup of a run stands beside that of others, and is still the same."""

from handwritten_runs import EVIL
from markupsafe import escape

from reports.nesting import nested


def test_headings_are_a_level_lower() -> None:
    """Opening and closing tags alike, with what they hold; the lowest there is stays."""
    assert (
        nested('<h2 class="a">A</h2><h5>B</h5><h6>C</h6><hr>', "run-1")
        == '<h3 class="a">A</h3><h6>B</h6><h6>C</h6><hr>'
    )


def test_ids_and_what_refers_to_them_begin_with_the_name() -> None:
    """Links within the page, labels by one id or more; addresses elsewhere are left alone."""
    html = '<a href="#x">x</a><a href="http://h/#x">y</a><svg id="x" aria-labelledby="x-title x-desc"></svg>'
    assert nested(html, "run-2") == (
        '<a href="#run-2-x">x</a><a href="http://h/#x">y</a>'
        '<svg id="run-2-x" aria-labelledby="run-2-x-title run-2-x-desc"></svg>'
    )


def test_what_was_recorded_is_never_taken_for_markup() -> None:
    """Escaped words that look like a heading or an id stay as they are, in text and in an attribute."""
    words = escape(f'{EVIL} <h2> id="x" href="#x"')
    html = f'<p title="{words}">{words}</p>'
    assert nested(html, "run-1") == html
