"""What a finding is called towards people: one row for each kind.

Data, not code: names of warnings change (Japan renamed its levels in 2026) and every rule may add
rows. `category` is a word of CAP 1.2 (OASIS CAP-v1.2, 3.2.2: Geo, Met, Safety, Health, Infra, ..).
`is_public`: it may leave the town hall as a warning. `needs_ack`: a person must acknowledge it;
until then it is escalated. `is_personal`: only the office sees it; platform and page learn that
there is something, and no more.
"""

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of finding."""

    event_ja: str
    event_en: str
    category: str
    is_public: bool
    needs_ack: bool
    is_personal: bool = False


KINDS = {
    "drill": Kind("防災訓練", "Exercise", "Safety", True, False),
    "backhaul": Kind("外部回線の断", "Outside line cut", "Infra", False, False),
    "quake": Kind("地震の揺れ", "Ground shaking", "Geo", True, True),
    "river": Kind("河川水位", "River stage", "Met", True, True),
    "river-forecast": Kind("河川水位の見込み", "River stage forecast", "Met", False, False),
    "river-observing": Kind("河川水位の観測強化", "River observed often", "Met", False, False),
    "river-fault": Kind("水位計の異常", "River gauge fault", "Infra", False, False),
    "slope": Kind("斜面変動", "Slope movement", "Geo", True, True),
    "slope-wire": Kind("斜面の崩れ", "Slope failure", "Geo", True, True),
    "bridge": Kind("橋りょうの異常", "Bridge condition", "Infra", False, True),
    "bridge-fault": Kind("橋りょうセンサの異常", "Bridge sensor fault", "Infra", False, False),
    "bridge-report": Kind("橋りょう点検資料", "Bridge inspection report", "Infra", False, False),
    "watch-over": Kind("見守り", "Watch-over", "Health", False, True, True),
    "watch-over-sensor": Kind("見守り端末", "Watch-over device", "Health", False, False, True),
    "health": Kind("装置の異常", "System health", "Infra", False, False),
}
