"""In how many runs a workflow does its work makes no difference to it."""

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, rule
from modelled_workflows import Book, Notes
from temporalio.client import WorkflowHandle

from harness.modeltest import Models, TemporalMachine

Handle = WorkflowHandle[Notes, list[int]]
NUMBERS = st.integers(0, 9)


class Continuing(TemporalMachine):
    """Tells notes, by signal and update, to workflows that continue as new often, seldom or never."""

    books: Bundle[Handle] = Bundle("book")

    def __init__(self, models: Models) -> None:
        super().__init__(models)
        self.run_worker(workflows=[Notes])
        self.notes: dict[str, list[int]] = {}
        self.handles: list[Handle] = []

    @rule(target=books, page=st.integers(0, 3))
    def open(self, page: int) -> Handle:
        handle = self.start(Notes.run, Book(page=page))
        self.handles.append(handle)
        self.notes[handle.id] = []
        return handle

    @rule(book=books, numbers=st.lists(NUMBERS, min_size=1, max_size=4))
    def note(self, book: Handle, numbers: list[int]) -> None:
        for number in numbers:
            self.signal(book, Notes.note, number)
            self.notes[book.id].append(number)

    @rule(book=books, number=NUMBERS)
    def note_and_tell(self, book: Handle, number: int) -> None:
        self.notes[book.id].append(number)
        assert self.update(book, Notes.note_and_tell, number) == sum(self.notes[book.id])

    @rule()
    def restart(self) -> None:
        self.restart_worker()

    def settle(self) -> None:
        for handle in self.handles:
            self.signal(handle, Notes.close)
            assert self.result(handle) == self.notes[handle.id]


def test_nothing_is_lost_nor_doubled_between_runs(temporal_model: Models) -> None:
    """Whatever is told is kept once, in its order, whether the run that hears of it is the first or the tenth."""
    temporal_model.check(Continuing)
