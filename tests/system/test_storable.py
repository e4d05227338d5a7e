"""What can be stored of a text."""

from typing import Annotated

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from system.records import SHORTENED, Storable, storable


@given(text=st.text(max_size=50), limit=st.integers(20, 40))
@example(text="half \ud83d a character", limit=40)
@example(text="nul \0", limit=40)
def test_any_text_can_be_stored(text: str, limit: int) -> None:
    """Neither NUL nor half a character is left, and it is not too long; harmless text is left alone."""
    stored = storable(text, limit)
    assert "\0" not in stored
    stored.encode()
    assert len(stored) <= limit
    if len(text) <= limit and text.isascii() and "\0" not in text:
        assert stored == text


def test_what_was_cut_off_says_so() -> None:
    """A shortened text ends by saying that it is."""
    assert storable("x" * 100, 30) == "x" * (30 - len(SHORTENED)) + SHORTENED


@given(text=st.text(max_size=50))
@example(text="nul \0")
@example(text="half \ud83d a character")
def test_what_must_be_stored_as_it_is_is_taken_or_refused(text: str) -> None:
    """What is taken needs no cleaning."""
    try:
        taken = TypeAdapter(Annotated[str, Storable]).validate_python(text)
    except ValidationError:
        assert storable(text, 500) != text
    else:
        assert taken == text == storable(text, 500)
