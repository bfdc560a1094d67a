"""What concerns a person leaves encrypted.

(The interpreter for the web, of the other tests, has no AES.)
"""

from tests.agent.fake_parts import BUTTON, Core, table

S = 1_000_000


def test_a_personal_event_is_encrypted_and_opens_with_the_devices_key() -> None:
    core = Core(table([BUTTON]))
    core.run(S)
    core.board.levels["button"] = 1
    core.run(2 * S)
    assert [one.values for one in core.series("button")] == [[0], [1]]
    assert all(b"button" not in frame for frame in core.frames())


def test_two_encryptions_never_share_their_iv() -> None:
    core = Core(table([BUTTON]))
    core.run(S)
    core.board.levels["button"] = 1
    core.run(2 * S)
    core.board.levels["button"] = 0
    core.run(3 * S)
    frames = core.frames()
    assert len(frames) == 3 and core.board.random_count == 3
