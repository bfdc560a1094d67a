"""What stops the agent on Linux, in the words of an operator."""


class PiError(Exception):
    """One sentence of cause and one of remedy; exit_code of the command."""

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy
