"""In how many runs a workflow does its work makes no difference to it."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from modelled_workflows import Book, Notes

from harness.modeltest import Models, TemporalMachine

NUMBERS = st.integers(0, 9)


class Continuing(TemporalMachine):
    """Tells notes, by signal and update, to a workflow that continues as new often, seldom or never."""

    @initialize(page=st.integers(0, 3))
    def open(self, page: int) -> None:
        self.run_worker(workflows=[Notes])
        self.book = self.start(Notes.run, Book(page=page))
        self.notes: list[int] = []

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=4))
    def note(self, numbers: list[int]) -> None:
        for number in numbers:
            self.signal(self.book, Notes.note, number)
        self.notes += numbers

    @rule(number=NUMBERS)
    def note_and_tell(self, number: int) -> None:
        self.notes.append(number)
        assert self.update(self.book, Notes.note_and_tell, number) == sum(self.notes)

    @rule()
    def restart(self) -> None:
        self.restart_worker()

    def settle(self) -> None:
        self.signal(self.book, Notes.close)
        assert self.result(self.book) == self.notes


def test_nothing_is_lost_nor_doubled_between_runs(temporal_model: Models) -> None:
    """Whatever is told is kept once, in its order, whether the run that hears of it is the first or the tenth."""
    temporal_model.check(Continuing)
