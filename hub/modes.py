"""The mode: raised at once by whoever asks for more, lowered step by step after a dwell in calm.

    normal --asked for--> watch --asked for--> disaster
    disaster --nothing asks for it, for disaster_dwell_s--> watch --likewise--> normal

Findings, people, the platform and the time table ask; each request has its own name and stands
until it is withdrawn or its time is over. The dwell is hysteresis and least stay in one: it runs
from the newest request on, so whatever flickers keeps the mode up and never makes it swing.

A person who sets a lower mode overrules the requests that stand: they count again when they ask
for more than they did, or have been over in between.

A drill is a mode of its own kind. It begins only where all is normal, is marked in all it makes,
and only requests of the drill count in it. A real finding that asks for a mode, or is an emergency
whatever its mode, ends it at once, and the mode is what that finding asks for: boards in a drill
sound no siren.

Times are monotonic microseconds. save() keeps spans, so that a restart goes on where it stood; the
time between counts for nothing.
"""

from collections.abc import Container
from dataclasses import asdict, dataclass, replace
from typing import Any

from hub.rules.finding import EMERGENCY, Finding
from protocols.vocabulary import MODE_DISASTER, MODE_NAMES, MODE_NORMAL, MODE_WATCH

S = 1_000_000
# What asked before a restart, whose rule does not know that it stands: it may have forgotten it.
RESTORED_US_MAX = 24 * 3600 * S
REQUESTS_MAX = 1000  # beyond it the oldest is forgotten: the mode is held by the others

Texts = tuple[str, str]  # Japanese, English
Key = tuple[str, str]  # who asks, and for what
RequestKey = tuple[str, str, bool]  # and whether it is of a drill


class ModeError(Exception):
    """The mode cannot be set so: one sentence of cause, one of remedy."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


@dataclass(frozen=True)
class Change:
    """A change of mode and who made it why, Japanese and English."""

    mode: int
    drill: bool
    actor: str
    texts: Texts

    @property
    def reason(self) -> str:
        """Both languages in one line."""
        return joined(self.texts)


@dataclass(frozen=True)
class Request:
    """Somebody asks for a mode. until_us: when that ends by itself; None: when it is withdrawn.

    rule, key, kind: of the finding; of others the rule is who asks.
    """

    rule: str
    key: str
    mode: int
    drill: bool
    until_us: int | None = None
    kind: str = ""


class Modes:
    """mode, drill: as they were saved. dwells_s: of watch and of disaster."""

    def __init__(self, mode: int, drill: bool, dwells_s: tuple[int, int]) -> None:
        self.mode = mode
        self.drill = drill
        self.actor = "start"
        self.texts: Texts = ("", "")
        self._dwells_us = dict(
            zip((MODE_WATCH, MODE_DISASTER), (one * S for one in dwells_s), strict=True)
        )
        self._requests: dict[RequestKey, Request] = {}
        self._overruled: dict[Key, int] = {}  # -> the mode that it asked for then
        self._calm_since_us: int | None = None

    @property
    def reason(self) -> str:
        """Why the mode is what it is; both languages in one line."""
        return joined(self.texts)

    def name(self) -> str:
        """Return the mode's word."""
        return MODE_NAMES[self.mode]

    # Who asks

    def judge(self, finding: Finding, now_us: int, drill: bool = False) -> Change | None:
        """Take a finding, real or of the drill that is on; return the change it makes."""
        key = (finding.rule, finding.key)
        if finding.is_over:
            self._overruled.pop(key, None)
            self._requests.pop((*key, drill), None)
            return None
        if finding.mode <= self._overruled.get(key, -1) or (drill and not self.drill):
            return None
        self._overruled.pop(key, None)
        is_end = self.ends_drill(finding, drill)
        if is_end:
            self._forget_drill()
            self.mode, self.drill = MODE_NORMAL, False
        if finding.mode > MODE_NORMAL or drill:
            self._ask(Request(*key, finding.mode, drill, kind=finding.kind))
        else:
            self._requests.pop((*key, drill), None)
        if not is_end and not self._raises(finding.mode):
            return None
        texts = (finding.text_ja, finding.text_en)
        if is_end:
            texts = (f"訓練を打ち切り、実際の事象: {texts[0]}", f"drill ended, real: {texts[1]}")
        return self._change(finding.mode, f"rule:{finding.rule}", texts)

    def ends_drill(self, finding: Finding, drill: bool = False) -> bool:
        """Tell whether this is a real event in a drill."""
        overruled = self._overruled.get((finding.rule, finding.key), -1)
        matters = finding.mode > MODE_NORMAL or finding.level >= EMERGENCY
        asks = not finding.is_over and finding.mode > overruled and matters
        return self.drill and not drill and asks

    def ask(self, request: Request, actor: str, texts: Texts) -> Change | None:
        """Take a request that is no finding: it raises the mode, never lowers it."""
        if request.drill != self.drill:
            return None
        self._ask(request)
        return self._change(request.mode, actor, texts) if self._raises(request.mode) else None

    def set(self, mode: int, actor: str, texts: Texts, until_us: int | None = None) -> Change:
        """Set for real by a person or a platform; it ends a drill.

        until_us: the mode is held so long; None: it counts as calm from now on.
        """
        self._forget_drill()
        self.drill = False
        for key, request in list(self._requests.items()):
            if request.mode > mode:
                self._overruled[key[:2]] = request.mode
                del self._requests[key]
        if until_us is not None:
            self._ask(Request("set", "set", mode, False, until_us))
        self._calm_since_us = None
        return self._change(mode, actor, texts)

    # Drills

    def start_drill(
        self, mode: int, actor: str, texts: Texts, until_us: int | None = None
    ) -> Change:
        """Begin a drill; ModeError where something real is on, or a drill already.

        until_us: when it ends by itself; None: when it has stepped down to normal.
        """
        if self.drill:
            raise ModeError("A drill is on already", "Stop it first: `hinomi hub drill stop`.")
        if self.mode != MODE_NORMAL:
            remedy = "Wait until the mode is normal, or set it with `hinomi hub mode set normal`."
            raise ModeError(f"The mode is {self.name()}, for real", remedy)
        if mode == MODE_NORMAL:
            raise ModeError("A drill needs a mode", "Write watch or disaster.")
        self.drill = True
        if until_us is not None:
            self._ask(Request("drill", "", mode, True, until_us))
        self._calm_since_us = None
        return self._change(mode, actor, texts)

    def end_drill(self, actor: str, texts: Texts) -> Change | None:
        """End the drill that is on: back to normal at once."""
        if not self.drill:
            return None
        self._forget_drill()
        self.drill = False
        self._calm_since_us = None
        return self._change(MODE_NORMAL, actor, texts)

    def is_asked(self, key: Key) -> bool:
        """Tell whether this one asks, for real."""
        return (*key, False) in self._requests

    def exercised(self) -> list[Request]:
        """Return the findings of the drill that have not ended."""
        return [one for one in self._requests.values() if one.drill and one.key]

    def is_drill_over(self, now_us: int) -> bool:
        """Tell whether the time of the drill is over."""
        request = self._requests.get(("drill", "", True))
        return request is not None and _is_over(request, now_us)

    # Time

    def tick(self, now_us: int) -> Change | None:
        """Lower the mode by one step when nothing has asked for it for its dwell."""
        for key, request in list(self._requests.items()):
            if _is_over(request, now_us):
                del self._requests[key]
        asked = [one.mode for one in self._requests.values() if one.drill == self.drill]
        if self.mode <= max(asked, default=MODE_NORMAL):
            self._calm_since_us = None
            return None
        if self._calm_since_us is None:
            self._calm_since_us = now_us
        dwell_us = self._dwells_us[self.mode]
        if now_us - self._calm_since_us < dwell_us:
            return None
        self._calm_since_us = now_us
        texts = (f"{dwell_us // S} 秒間 平穏", f"calm for {dwell_us // S} s")
        if self.mode == MODE_WATCH:
            self._forget_drill()
            self.drill = False
        return self._change(self.mode - 1, "rule:calm", texts)

    # Memory

    def save(self, now_us: int) -> dict[str, Any]:
        """Return what a restart must not forget, as JSON takes it; times as spans from now."""
        requests = [
            asdict(one) | {"until_us": None if one.until_us is None else one.until_us - now_us}
            for one in self._requests.values()
        ]
        calm_us = None if self._calm_since_us is None else now_us - self._calm_since_us
        overruled = [[*key, mode] for key, mode in self._overruled.items()]
        return {"actor": self.actor, "texts": list(self.texts), "requests": requests,
                "overruled": overruled, "calm_us": calm_us}  # fmt: skip

    def restore(self, saved: dict[str, Any], now_us: int, standing: Container[Key] = ()) -> None:
        """Take back what save() gave; KeyError, TypeError or ValueError where that is unsound.

        standing: findings of which the rule knows that they are not over; they will be withdrawn.
        """
        requests = [Request(**one) for one in saved["requests"]]
        overruled = {(str(rule), str(key)): int(mode) for rule, key, mode in saved["overruled"]}
        texts_ja, texts_en = saved["texts"]
        calm_us = saved["calm_us"]
        self._calm_since_us = None if calm_us is None else now_us - int(calm_us)
        self._overruled = overruled
        for one in requests:
            if one.until_us is None and (one.rule, one.key) in standing and not one.drill:
                self._ask(one)
                continue
            left_us = RESTORED_US_MAX if one.until_us is None else one.until_us
            self._ask(replace(one, until_us=now_us + left_us))
        self.actor, self.texts = str(saved["actor"]), (texts_ja, texts_en)

    def _raises(self, mode: int) -> bool:
        """Tell whether a request raises the mode; one that would hold it ends the calm."""
        if mode >= self.mode:
            self._calm_since_us = None
        return mode > self.mode

    def _ask(self, request: Request) -> None:
        self._requests[request.rule, request.key, request.drill] = request
        while len(self._requests) > REQUESTS_MAX:
            del self._requests[next(iter(self._requests))]

    def _forget_drill(self) -> None:
        self._requests = {key: one for key, one in self._requests.items() if not one.drill}

    def _change(self, mode: int, actor: str, texts: Texts) -> Change:
        self.mode, self.actor, self.texts = mode, actor, texts
        return Change(mode, self.drill, actor, texts)


def joined(texts: Texts) -> str:
    """Return both languages in one line; one of them where they are the same."""
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} / {texts[1]}"


def _is_over(request: Request, now_us: int) -> bool:
    return request.until_us is not None and request.until_us <= now_us
