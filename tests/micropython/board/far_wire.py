"""One question and its answer, to the process that holds the models of the chips."""

import json

import far_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PowerLost(BaseException):
    """The simulated board has no power: no code of it runs on."""


def ask(*question: object) -> "Any":
    """Return the answer to a question about the hardware; OSError as the bus raises it."""
    answer = json.loads(far_line.exchange(json.dumps({"ask": question})))
    if "errno" in answer:
        raise OSError(answer["errno"])
    if "power_lost" in answer:
        raise PowerLost
    return answer["answer"]


def tell(result: object) -> "Any":
    """Hand over the result of a command; return the next command."""
    return json.loads(far_line.exchange(json.dumps(result)))


class Tape:
    """The answers of one call into the hardware port: noted, then given again.

    Giving them again makes nothing on the heap, which ask() cannot do without.
    """

    def __init__(self) -> None:
        self.is_playing = False
        self._is_noting = False
        self._answers: list[Any] = []
        self._at = 0

    def record(self) -> None:
        """Forget all answers; note the next ones."""
        self._answers = []
        self._is_noting = True

    def play(self) -> None:
        """Give the noted answers again, from the first."""
        self._at = 0
        self._is_noting = False
        self.is_playing = True

    def stop(self) -> None:
        """Ask the other process again."""
        self.is_playing = False

    def note(self, answer: "Any") -> "Any":
        """Note an answer, where that is asked for; return it."""
        if self._is_noting:
            self._answers.append(answer)
        return answer

    def next(self) -> "Any":
        """Return the next noted answer."""
        answer = self._answers[self._at]
        self._at += 1
        return answer

    def fill(self, buf: bytearray) -> int:
        """Put the next noted bytes into buf; return how many."""
        data = self.next()
        for index in range(len(data)):
            buf[index] = data[index]
        return len(data)


tape = Tape()
