"""What a driver raises."""


class SensorError(Exception):
    """A sensor does not work.

    cause: one sentence, what was seen. remedy: one sentence, what a person should do.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause + " " + remedy)
        self.cause = cause
        self.remedy = remedy
