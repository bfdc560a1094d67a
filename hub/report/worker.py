"""Makes one bridge's report: `python -m hub.report.worker REQUEST.json`.

A process of its own, nicer to others than the hub and with a limit to its memory, so that the hub
goes on taking readings and keeps its size. It writes into a folder beside, which gets its name
when all four files are there; a report is whole or not there. Exit code 0, or 1 with one line.
"""

import json
import os
import resource
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from hub.database import StoreError
from hub.report.assess import BEFORE_S, NodeResult, assess
from hub.report.content import blocks, grade
from hub.report.evidence import Span, read
from hub.report.pdf import to_pdf
from hub.report.web_page import to_html

MEMORY_SIZE_MAX = 700 << 20  # of addresses; about 200 MiB of them are ever touched
NICENESS = 10
LANGUAGES = ("ja", "en")
FILES = tuple(f"{language}.{kind}" for language in LANGUAGES for kind in ("html", "pdf"))
SUMMARY = "report.json"


def make(request: dict[str, Any]) -> dict[str, Any]:
    """Make the files that the request asks for; return the summary, which stands beside them."""
    nodes = request["nodes"]
    until_us = request["event_us"] + round(request["until_s"] * 1e6)
    spans = {
        device: Span(
            facts["boot"],
            request["event_us"] - facts["offset_us"] - round(BEFORE_S * 1e6),
            until_us - facts["offset_us"],
            request["event_us"] - facts["offset_us"],
        )
        for device, facts in nodes.items()
    }
    traces = read(Path(request["store"]), spans)
    results = assess(nodes, traces, request["until_s"])
    folder = Path(request["folder"])
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    summary = _summary(request, results)
    for language in LANGUAGES:
        parts = blocks(request, results, language)
        (beside / f"{language}.html").write_text(to_html(parts, language), encoding="utf-8")
        to_pdf(beside / f"{language}.pdf", parts, language, drill=request["drill"])
    (beside / SUMMARY).write_text(json.dumps(summary, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    return summary


def _summary(request: dict[str, Any], results: list[NodeResult]) -> dict[str, Any]:
    """Return what the page's list and a finding need."""
    row = results[0].row
    return {
        "name": Path(request["folder"]).name,
        "bridge": request["bridge"],
        "name_ja": row["name_ja"] or request["bridge"],
        "name_en": row["name_en"] or request["bridge"],
        "utc_us": request["event_utc_us"],
        "made_utc_us": request["made_utc_us"],
        "drill": request["drill"],
        "grade": max(grade(one) for one in results),
        "places": [
            {
                "device": one.device,
                "grade": grade(one),
                "score": round(one.score(), 3),
                **{name: each.value for name, each in one.quantities.items()},
                "faults": [f"{each.channel} {each.what}".strip() for each in one.faults],
            }
            for one in results
        ],
    }


def main() -> int:
    """Read the request and make it."""
    with suppress(OSError):  # a sandbox may forbid it
        os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_SIZE_MAX, MEMORY_SIZE_MAX))
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        make(request)
    except (OSError, StoreError, MemoryError) as error:
        print(
            f"no report on {request['bridge']}: {error or type(error).__name__}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
