"""Two workflows that wait and return a word: one in the sandbox and one outside."""

from temporalio import workflow


class Words:
    """What the code says today."""

    seconds = 5.0
    word = "done"
    again = False
    waits = True
    """Or it does not wait at all."""
    waits_on = False
    """Or it waits for the same time once more."""


@workflow.defn(name="told.Wait")
class Wait:
    """In the sandbox: it says what it is given."""

    @workflow.run
    async def run(self, word: str) -> str:
        await workflow.sleep(5)
        return word


@workflow.defn(name="told.WaitOutside", sandboxed=False)
class WaitOutside:
    """Outside: a test can change what it says."""

    @workflow.run
    async def run(self, word: str) -> str:
        if Words.waits:
            await workflow.sleep(Words.seconds)
        if Words.waits_on:
            await workflow.sleep(Words.seconds)
        if Words.again:
            workflow.continue_as_new(word)
        return Words.word
