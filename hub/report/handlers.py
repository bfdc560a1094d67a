"""What operators may ask of reports and vehicles' weights, behind hub.admin."""

import logging
from typing import TYPE_CHECKING, Any

from hub.admin import AdminError, Handler
from hub.report.inspections import Inspections
from hub.rules.bridge import BridgeRule

if TYPE_CHECKING:
    from hub.rules.structure.node import Node

log = logging.getLogger(__name__)

MINUTES_MAX = 1440


def handlers(inspections: Inspections, rule: BridgeRule) -> dict[str, Handler]:
    """Return what hub.admin can do with them."""

    def make(fields: dict[str, Any], actor: str) -> dict[str, Any]:
        minutes, bridge = fields.get("minutes", 3), str(fields.get("bridge", ""))
        if isinstance(minutes, bool) or not isinstance(minutes, int | float):
            minutes = 0
        if not 1 <= minutes <= MINUTES_MAX:
            raise AdminError("minutes is not allowed", f"Allowed: 1 to {MINUTES_MAX}.")
        known = list(rule.bridges())
        if not known:
            raise AdminError("No bridge is in hub.toml", "Add a [[bridge]] for each node.")
        if bridge and bridge not in known:
            raise AdminError(f"There is no bridge {bridge}", f"Known: {', '.join(known)}.")
        chosen = [bridge] if bridge else known
        return {"names": inspections.ask(chosen, round(minutes * 60_000_000))}

    def node_of(fields: dict[str, Any]) -> "Node":
        node = rule.nodes.get(str(fields.get("device", "")))
        if node is None:
            known = ", ".join(rule.nodes) or "none"
            raise AdminError("There is no such node", f"Known: {known}.")
        return node

    def relearn(fields: dict[str, Any], actor: str) -> dict[str, Any]:
        node = node_of(fields)
        node.relearn()
        log.info("%s lets %s learn anew", actor, node.row["device"])
        return {"baseline_h": node.row["baseline_h"]}

    def passages(fields: dict[str, Any], actor: str) -> dict[str, Any]:
        node = node_of(fields)
        kept = node.passages.kept if node.passages else node.passages_kept
        factor = node.row["tonnes_per_um_m"]
        rows = [
            {"utc_us": inspections.utc_us(one.at_us), "measure": one.measure,
             "peak_um_m": one.peak, "seconds": one.seconds, "tonnes": one.measure * factor}
            for one in kept
        ]  # fmt: skip
        refused = node.passages.refused_count if node.passages else 0
        return {"rows": rows, "refused": refused, "tonnes_per_um_m": factor}

    return {"report make": make, "passages": passages, "relearn": relearn}
