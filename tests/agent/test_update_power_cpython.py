"""Power cuts all through the fetch of an update; too many for the interpreter of a board."""

import asyncio

from protocols.vocabulary import RESULT_FAILED
from simulators.storage import PowerCut
from tests.agent.test_update import whole
from tests.agent.update_bench import OLD_RELEASE, Board, HandHub, running


async def until_cut(board: Board) -> None:
    """Run the board's update part until its power goes."""
    try:
        await board.update.run()
    except PowerCut:
        pass


async def test_a_power_cut_at_any_byte_of_the_fetch_leaves_the_old_image_running() -> None:
    for point in range(0, 30_000, 1361):
        board = Board(scattered=point % 2 == 1)
        board.flashes[1].cut_after(point)
        task = asyncio.create_task(until_cut(board))
        hub = asyncio.create_task(whole(HandHub(board.update)))
        while not task.done() and not hub.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        was_cut = task.done() and not board.update.is_switching
        hub.cancel()
        await asyncio.gather(task, hub, return_exceptions=True)
        board.restart()
        assert board.chosen == (0 if was_cut else 1), point
        if was_cut:
            await running(board, whole)
            board.restart()
            assert board.chosen == 1


async def test_a_power_cut_between_good_and_the_counter_is_made_up_for_at_the_next_start() -> None:
    board = Board()
    await running(board, whole)
    board.restart()
    board.log_flash.cut_after(3)
    try:
        board.update.acknowledged()
    except PowerCut:
        pass
    board.log_flash.power_on()
    board.restart()
    assert board.chosen == 1 and not board.update.is_on_trial
    status, detail = await running(board, lambda hub: hub.offer(OLD_RELEASE))
    assert (status, detail) == (RESULT_FAILED, "counter 1 is below 2")
