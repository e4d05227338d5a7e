"""Templates are filled with the addresses of a stack."""

import pytest

from harness.errors import UnknownName
from harness.templates import fill, fill_each, fill_values, placeholders

KNOWN = {"postgres.url": "postgresql://p", "python": "/bin/python"}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{postgres.url}/app", "postgresql://p/app"),
        ("{python} {python}", "/bin/python /bin/python"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("{{python}}", "{python}"),
        ("${HOME}", "${HOME}"),
        ("", ""),
    ],
)
def test_names_are_replaced_and_all_else_stays(template: str, filled: str) -> None:
    """Only lower-case names in braces are placeholders; doubled braces stand for themselves."""
    assert fill(template, KNOWN) == filled


def test_an_unknown_placeholder_is_named_with_the_known_ones() -> None:
    """A typing mistake is told before anything starts."""
    with pytest.raises(UnknownName, match=r"no placeholder '\{postgres.uri\}'") as caught:
        fill("{postgres.uri}", KNOWN)
    assert "Did you mean '{postgres.url}'? Known: {postgres.url}, {python}." in str(caught.value)


def test_commands_and_environments_are_filled_whole() -> None:
    """Every argument and every value is a template; the names of variables are not."""
    assert fill_each(["{python}", "-m"], KNOWN) == ["/bin/python", "-m"]
    assert fill_values({"URL": "{postgres.url}"}, KNOWN) == {"URL": "postgresql://p"}


def test_the_placeholders_of_a_template_are_told_before_it_is_filled() -> None:
    """Names in braces are listed in their order; what stands for itself is not among them."""
    assert placeholders("{python} {{python}} {postgres.url}/{}") == ["python", "postgres.url"]
    assert placeholders("") == []
