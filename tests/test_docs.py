"""The documents say what the code does."""

import re
from pathlib import Path

from protocols.messages import MESSAGES
from simulators.scenario import scenario_names
from tests.docs_tables import PAGE, page

ROOT = Path(__file__).parent.parent


def test_every_setting_is_documented_as_it_is_checked() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.docs_tables`"


def test_every_message_and_scenario_is_documented() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    for name, _ in MESSAGES.values():
        assert f"**{name}**" in text
    readme = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    for name in scenario_names():
        assert f"`{name}`" in readme


def test_links_between_documents_lead_somewhere() -> None:
    for page_path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page_path.read_text(encoding="utf-8")):
            assert (page_path.parent / target).exists(), f"{page_path.name}: {target}"
