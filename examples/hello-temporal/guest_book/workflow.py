"""The story of a signature: it is entered in the book, and the guest is thanked."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from guest_book.book import Book, Entry

PATIENCE = timedelta(seconds=10)


@workflow.defn
class Sign:
    """One guest signs the book once."""

    @workflow.run
    async def run(self, entry: Entry) -> str:
        """Return what is written on the guest's card."""
        await workflow.execute_activity_method(Book.enter, entry, start_to_close_timeout=PATIENCE)
        return await workflow.execute_activity_method(Book.thank, entry.guest, start_to_close_timeout=PATIENCE)
