"""A page as a browser takes it."""

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input"}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}


class Page(HTMLParser):
    """A page as a browser takes it: elements, their ids and addresses, and the words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.policy = ""
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[tuple[int, str]] = []
        """Level and words of each, in their order."""
        self.labels: list[str] = []
        """Ids that something is labelled by."""
        self.folded: list[str] = []
        """Ids of parts that are closed at first."""
        self.words = ""
        self.inline: dict[str, list[str]] = {"style": [], "script": []}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        told = dict(attrs)
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"] or ""
        self.ids += [told["id"] or ""] if "id" in told else []
        self.labels += (told.get("aria-labelledby") or "").split()
        if tag == "details" and "id" in told and "open" not in told:
            self.folded.append(told["id"] or "")
        if tag in HEADINGS:
            self.headings.append((int(tag[1]), ""))
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "data"}]
        assert not [name for name, _ in attrs if name.startswith("on")], "an event handler is a script"
        assert "style" not in told, "the policy forbids it"
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.inline:
            self.inline[self._open[-1]].append(data)
        else:
            self.words += " " + data
        if HEADINGS & set(self._open):
            level, words = self.headings[-1]
            self.headings[-1] = (level, " ".join(f"{words} {data}".split()))

    def says(self, words: str) -> bool:
        return words in " ".join(self.words.split())
