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
