"""Checks of the operators' desk: who may log in, and how their passwords travel."""

from collections.abc import Iterator

from hub import operators
from hub.config import Config
from hub.console.rows import LAN
from hub.diagnosis import FAIL, OK, WARN, Finding
from hub.settings import SettingsError


def check_desk(config: Config) -> Iterator[Finding]:
    """The file of operators is right, and no password travels in the clear."""
    row = config.tables["console"]
    try:
        count = len(operators.load(config.folder / config.tables["hub"]["operators"]))
    except SettingsError as error:
        remedy = (f"{error.remedy} それまで誰もログインできません。", error.remedy)
        yield Finding("desk", FAIL, (error.cause, error.cause), remedy)
        return
    if row["login"] == LAN and not row["certificate"]:
        yield Finding(
            "desk",
            WARN,
            (
                "操作員のパスワードが LAN を暗号化されずに流れます",
                "operators' passwords travel the LAN in the clear",
            ),
            (
                "console.certificate と console.key を設定してください。",
                "Set console.certificate and console.key.",
            ),
        )
        return
    text = (f"操作員 {count} 人が登録されています", f"{count} operators may log in")
    yield Finding("desk", OK, text)
