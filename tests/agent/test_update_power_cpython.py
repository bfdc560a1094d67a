"""Power cuts all through the fetch of an update, and its waits; too long for a board."""

import asyncio

from protocols.manifest import CHUNK_SIZE
from protocols.vocabulary import RESULT_DONE, RESULT_FAILED
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


async def test_it_writes_only_while_no_sensor_is_due() -> None:
    board = Board()
    board.idle_us = 20_000  # time to write, none to erase

    async def job(hub: HandHub) -> None:
        task = asyncio.create_task(hub.offer())
        erases = sum(board.flashes[1].erase_counts)
        await asyncio.sleep(0.05)
        assert not task.done() and sum(board.flashes[1].erase_counts) == erases
        board.idle_us = 60_000
        assert await task == (RESULT_DONE, "")
        await hub.serve(1024)
        board.idle_us = 0
        programs = board.flashes[1].program_count
        for _ in range(10):
            await hub.turn()
        assert board.flashes[1].program_count == programs
        board.idle_us = 20_000
        await hub.serve(CHUNK_SIZE)
        erases = sum(board.flashes[1].erase_counts)
        for _ in range(50):
            await hub.turn()
        assert hub.wants[-1] == CHUNK_SIZE and sum(board.flashes[1].erase_counts) == erases

    await running(board, job)
