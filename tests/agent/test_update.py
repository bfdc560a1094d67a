"""Fetching an update on the board: refusals, resumption, damage, the switch."""

import asyncio

from agent.slots import Slots
from agent.update import BAD_CHUNKS_MAX, KEY_COUNTER
from protocols.manifest import CHUNK_SIZE, encode_manifest
from protocols.vocabulary import COMMAND_UPDATE, RESULT_DONE, RESULT_FAILED, RESULT_PACKAGE
from tests.agent.update_bench import (
    NEW,
    NEW_RELEASE,
    OLD,
    OLD_RELEASE,
    SECTORS,
    Board,
    HandHub,
    running,
)
from tests.protocols.release_key import MODULUS, release, signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


async def whole(hub: HandHub) -> None:
    """Fetch the new image and switch to it."""
    assert await hub.offer() == (RESULT_DONE, "")
    await hub.serve()
    assert await hub.switch() == (RESULT_DONE, "")


async def fetched(hub: HandHub) -> None:
    """Fetch the new image."""
    assert await hub.offer() == (RESULT_DONE, "")
    await hub.serve()


async def refusal(board: Board, message: "Any") -> str:
    """Return why the board refuses a release; nothing was written then."""
    before = bytes(board.flashes[1].data)
    status, detail = await running(board, lambda hub: hub.order(COMMAND_UPDATE, [message]))
    assert status == RESULT_FAILED and bytes(board.flashes[1].data) == before
    return str(detail)


async def test_an_update_is_fetched_started_and_found_good() -> None:
    board = Board()
    await running(board, whole)
    assert board.restarts == 1 and board.update.is_switching
    board.restart()
    assert board.chosen == 1 and board.update.version == "0.2.0"
    assert board.update.statistics()["on_trial"]
    board.update.acknowledged()
    assert not board.update.statistics()["on_trial"]
    for _ in range(5):
        board.restart()
        assert board.chosen == 1


async def test_without_an_acknowledged_frame_the_old_version_comes_back() -> None:
    board = Board()
    await running(board, whole)
    chosen = []
    for _ in range(5):
        board.restart()
        chosen.append(board.chosen)
    assert chosen == [1, 1, 1, 0, 0] and board.update.version == "0.1.0"


async def test_each_reason_to_refuse_is_named_and_nothing_is_written() -> None:
    board = Board()
    image = bytes((SECTORS - 1) * CHUNK_SIZE + 1)
    profile = signed(encode_manifest((["pico-w"], ["home-node"]), "1", 2, NEW))
    for message, reason in (
        (release(NEW, board="esp32-s3"), "for board esp32-s3, this is pico-w"),
        (profile, "not for profile river-gauge"),
        (release(image), "20481 bytes, the slot holds 20480"),
        (release(NEW, counter=0), "counter 0 is below 1"),
        (NEW_RELEASE[:-1] + bytes([NEW_RELEASE[-1] ^ 1]), "not signed by the key of this device"),
        (b"", "malformed: no COSE_Sign1 of RS256"),
        (7, "no manifest"),
        (signed(b"\x80"), "malformed: no manifest"),
    ):
        assert await refusal(board, message) == reason
    for modulus, reason in (
        (b"", "no update_key in config.json"),
        (MODULUS[:-2] + b"\x00\x01", "not signed by the key of this device"),
    ):
        board.update = board.make(Slots(board.flashes, 0), modulus)
        assert await refusal(board, NEW_RELEASE) == reason
    board.update = board.make(Slots([]))
    assert await refusal(board, NEW_RELEASE) == "this board has no slots"


async def test_a_device_with_its_own_package_says_so() -> None:
    board = Board()
    board.update = board.make(None)
    status, detail = await running(board, lambda hub: hub.offer())
    assert (status, detail) == (RESULT_PACKAGE, "updated by its own package")


async def test_any_flipped_bit_of_the_manifest_is_refused() -> None:
    board = Board()
    for place in range(3, len(NEW_RELEASE), 61):
        damaged = bytearray(NEW_RELEASE)
        damaged[place] ^= 1 << place % 8
        assert await refusal(board, bytes(damaged))


async def test_a_damaged_piece_is_noticed_at_its_chunk_and_fetched_again() -> None:
    board = Board()
    good = NEW
    bad = NEW[:5000] + bytes([NEW[5000] ^ 8]) + NEW[5001:]

    async def job(hub: HandHub) -> None:
        hub.image = bad
        assert await hub.offer() == (RESULT_DONE, "")
        await hub.serve(7168)
        hub.image = good
        await hub.serve()
        assert hub.wants.count(CHUNK_SIZE) == 2  # the first chunk was sound
        assert await hub.switch() == (RESULT_DONE, "")

    await running(board, job)
    assert board.update.bad_chunks_count == 1


async def test_a_chunk_that_is_always_damaged_ends_the_update() -> None:
    board = Board()

    async def job(hub: HandHub) -> "tuple[int, str]":
        hub.image = bytes(len(NEW))
        assert await hub.offer() == (RESULT_DONE, "")
        await hub.serve()
        return hub.results[-1]

    assert await running(board, job) == (RESULT_FAILED, "chunk 0 is damaged again and again")
    assert board.update.bad_chunks_count == BAD_CHUNKS_MAX + 1
    board.restart()
    assert board.chosen == 0


async def test_switch_is_refused_until_all_is_there_and_whole() -> None:
    board = Board()

    async def job(hub: HandHub) -> "list[str]":
        answers = [(await hub.switch())[1]]
        assert await hub.offer() == (RESULT_DONE, "")
        await hub.serve(CHUNK_SIZE)
        answers.append((await hub.switch())[1])
        assert await hub.offer() == (RESULT_DONE, "")
        await hub.serve()
        board.flashes[1].flip(CHUNK_SIZE * 2, 1)
        answers.append((await hub.switch())[1])
        board.flashes[1].flip(100, 1)
        hub.update._slots.both[1].look()  # type: ignore[union-attr]
        answers.append((await hub.switch())[1])
        return answers

    nothing, whole_not = "there is nothing to switch to", "the image is not whole"
    assert await running(board, job) == [nothing, whole_not, whole_not, nothing]
    assert board.restarts == 0


async def test_it_goes_on_after_a_power_cut_at_every_piece() -> None:
    board = Board()
    asked = []
    for turn in range(1, len(NEW) // 1024 + 2):

        async def job(hub: HandHub, stop_at: int = turn * 1024) -> None:
            assert await hub.offer() == (RESULT_DONE, "")
            asked.append(-1)
            await hub.serve(min(stop_at, len(NEW)))
            asked.extend(hub.wants)

        await running(board, job)
        board.restart()
        assert board.chosen == 0
    starts = [asked[at + 1] for at, offset in enumerate(asked) if offset < 0]
    assert sorted(starts) == starts
    assert set(starts) == {0, CHUNK_SIZE, 2 * CHUNK_SIZE, len(NEW)}
    await running(board, whole)
    board.restart()
    assert board.chosen == 1


async def test_a_new_session_drops_what_the_old_one_wanted() -> None:
    board = Board()

    async def job(hub: HandHub) -> None:
        assert await hub.offer() == (RESULT_DONE, "")
        await hub.serve(CHUNK_SIZE)
        board.update.new_session()
        board.update.piece({"id": 1, "offset": CHUNK_SIZE, "data": NEW[4096:5120]})
        again = HandHub(board.update)
        assert await again.offer() == (RESULT_DONE, "")
        await again.serve()
        assert again.wants[0] == CHUNK_SIZE
        assert await again.switch() == (RESULT_DONE, "")

    await running(board, job)


async def test_pieces_that_nobody_asked_for_are_dropped() -> None:
    board = Board()

    async def job(hub: HandHub) -> None:
        update = board.update
        update.piece({"id": 0, "offset": 0, "data": NEW[:1024]})
        hub.image = b""
        assert await hub.offer() == (RESULT_DONE, "")
        for fields in (
            {"id": 9, "offset": 0, "data": NEW[:1024]},
            {"id": 1, "offset": 1024, "data": NEW[:1024]},
            {"id": 1, "offset": 0, "data": NEW[:1023]},
        ):
            update.piece(fields)
        assert update.pieces_count == 0
        hub.image = NEW
        assert await hub.offer() == (RESULT_DONE, "")
        await hub.serve()
        assert await hub.switch() == (RESULT_DONE, "")

    await running(board, job)


async def test_what_an_old_session_ordered_is_not_answered_in_the_next() -> None:
    board = Board()

    async def job(hub: HandHub) -> None:
        board.update.command(1, COMMAND_UPDATE, [NEW_RELEASE])
        await asyncio.sleep(0)
        board.update.new_session()
        for _ in range(200):
            await asyncio.sleep(0)
        assert board.update.take_messages() == []

    await running(board, job)


async def test_the_counter_rises_only_once_the_image_is_good() -> None:
    board = Board()
    await running(board, whole)
    board.restart()
    flashlog = board.update._flashlog
    assert int.from_bytes(flashlog.kept(KEY_COUNTER), "big") == 1
    assert await refusal(board, release(OLD, counter=9)) == "version 0.2.0 is still on trial"
    board.update.acknowledged()
    assert int.from_bytes(flashlog.kept(KEY_COUNTER), "big") == 2
    status, detail = await running(board, lambda hub: hub.offer(OLD_RELEASE))
    assert (status, detail) == (RESULT_FAILED, "counter 1 is below 2")


async def test_a_refused_image_can_be_tried_again() -> None:
    board = Board()
    await running(board, whole)
    for _ in range(4):
        board.restart()
    assert board.chosen == 0

    async def job(hub: HandHub) -> None:
        assert await hub.offer() == (RESULT_DONE, "")
        await hub.serve()
        assert hub.wants == [len(NEW)]  # the image lies there still
        assert await hub.switch() == (RESULT_DONE, "")

    await running(board, job)
    board.restart()
    assert board.chosen == 1
