"""Every word of the page, in Japanese and English: one table, read by the page and its script.

`{}` in a text is where the script puts a number or a name.
"""

from __future__ import annotations

from typing import Any

# key: (Japanese, English)
TEXTS: dict[str, tuple[str, str]] = {
    "title": ("火の見", "Hinomi"),
    "other_language": ("English", "日本語"),
    "desk": ("操作卓", "Operators"),
    "hub": ("ハブ", "Hub"),
    "hub_time": ("ハブの時刻", "Hub time"),
    "clock_unsynchronised": ("時刻は同期されていません", "Clock not synchronised"),
    "clock_implausible": ("時刻が正しくありません", "Clock is wrong"),
    "no_script": (
        "このページの表示には JavaScript が必要です。ブラウザの設定をご確認ください。",
        "This page needs JavaScript. Please check your browser's settings.",
    ),
    # The link to the hub
    "link_waiting": ("ハブに接続しています…", "Connecting to the hub…"),
    "link_live": ("接続中 — 毎秒更新", "Connected, updated every second"),
    "link_stale": (
        "接続が切れています（{} から）。下の値は最後に届いたもので、現在の値ではありません。",
        "No connection since {}. The values below are the last that arrived, not the present.",
    ),
    "link_never": (
        "ハブに接続できません。ハブの電源とネットワークをご確認ください。",
        "The hub cannot be reached. Please check its power and the network.",
    ),
    "link_busy": (
        "見ている人が多すぎるため、ハブが接続を断りました。自動でつなぎ直します。",
        "The hub has too many viewers just now. This page keeps trying by itself.",
    ),
    "link_retry": ("自動でつなぎ直しています…", "Reconnecting by itself…"),
    # Modes
    "mode": ("現在のモード", "Mode now"),
    "mode_last": ("最後に届いたモード", "Last known mode"),
    "mode_unknown": ("確認中", "Unknown"),
    "mode_normal": ("平常", "NORMAL"),
    "mode_watch": ("警戒", "WATCH"),
    "mode_disaster": ("災害", "DISASTER"),
    "mode_since": ("{} から", "since {}"),
    "mode_reason": ("理由", "Reason"),
    "mode_actor": ("操作", "Set by"),
    "unconfirmed": (
        "未確認の機器 {} 台（ほかに不在 {} 台）:",
        "Not confirmed by {} devices ({} more are away):",
    ),
    "unconfirmed_mode": ("モード", "mode"),
    "unconfirmed_policy": ("方針", "policy"),
    "unconfirmed_waiting": ("応答待ち", "waiting"),
    "unconfirmed_refused": ("拒否", "refused"),
    "drill": ("訓練", "DRILL"),
    "drill_notice": (
        "これは訓練です。実際の災害ではありません。",
        "This is a drill, not a real disaster.",
    ),
    # Devices
    "devices": ("機器", "Devices"),
    "devices_summary": ("{} 台のうち {} 台が稼働中", "{1} of {0} online"),
    "devices_none": ("まだ機器がありません。", "No device yet."),
    "state_online": ("稼働中", "Online"),
    "state_silent": ("応答なし", "Silent"),
    "state_offline": ("切断", "Offline"),
    "state_never": ("未接続", "Never seen"),
    "state_ok": ("正常", "OK"),
    "kind_bridge": ("橋", "Bridges"),
    "kind_river": ("河川", "Rivers"),
    "kind_slope": ("斜面", "Slopes"),
    "kind_home": ("見守り", "Watch-over"),
    "kind_other": ("その他", "Others"),
    "personal_notice": (
        "個人に関わる測定値は、このページには出しません。",
        "Readings that concern a person are not shown on this page.",
    ),
    "readings_none": ("まだ測定値がありません。", "No reading yet."),
    "reading_old": ("{}前の値", "{} old"),
    "reading_chart": ("{} をグラフに表示", "Show {} in the chart"),
    "last_frame": ("最終受信", "Last frame"),
    "clock_uncertainty": ("時計の誤差", "Clock error"),
    "firmware": ("ファームウェア", "Firmware"),
    "received": ("受信フレーム", "Frames received"),
    "boot": ("起動回数", "Boot"),
    "details": ("詳しく", "Details"),
    "devices_safe": ("セーフモード {} 台", "{} in safe mode"),
    "devices_shown": ("{} 台を表示（要確認のものから）", "{} shown, those that want a look first"),
    "safe_mode": ("セーフモード（センサー停止中）", "Safe mode, sensors off"),
    "slot": ("スロット {}", "slot {}"),
    "on_trial": ("試行中", "on trial"),
    "supply_weak": ("電源をご確認ください", "look at its supply"),
    "crash": ("前回の異常", "Last crash"),
    "reset_cause": ("起動の理由", "Started by"),
    "cause_power_on": ("電源投入", "power"),
    "cause_software": ("再起動", "restart"),
    "cause_watchdog": ("監視タイマー", "watchdog"),
    "cause_reset_pin": ("リセットボタン", "reset button"),
    "cause_deep_sleep": ("スリープからの復帰", "waking up"),
    # Updates of devices
    "updates": ("端末の更新", "Update of devices"),
    "update_stage": ("段階 {} / 3", "stage {} of 3"),
    "update_done": ("{} / {} 台が完了", "{} of {} done"),
    "update_over": ("終了", "over"),
    "update_stopped": ("停止しました: {}", "Stopped: {}"),
    "update_frozen": (
        "運用モードが平常に戻るまで休止しています。",
        "It is held until the mode of operation is normal again.",
    ),
    # Chart
    "chart": ("グラフ", "Chart"),
    "chart_channel": ("測定項目", "Channel"),
    "chart_window": ("期間", "Span"),
    "chart_none": ("この期間のデータはありません。", "No data in this span."),
    "chart_missing": (
        "グラフの部品がありません（make assets で入ります）。",
        "The chart part is not installed (make assets does it).",
    ),
    "chart_time": ("時刻", "Time"),
    "chart_min": ("最小", "Min"),
    "chart_max": ("最大", "Max"),
    "chart_label": (
        "{} のグラフ。この期間の最小 {}、最大 {}、最新 {}",
        "Chart of {}. In this span: least {}, greatest {}, latest {}",
    ),
    "window_120": ("2 分", "2 min"),
    "window_600": ("10 分", "10 min"),
    "window_3600": ("1 時間", "1 h"),
    "window_86400": ("24 時間", "24 h"),
    # Uplinks
    "uplinks": ("外部への送信", "Delivery to outside"),
    "uplinks_none": ("送信先は設定されていません。", "No uplink is configured."),
    "uplink_up": ("つながっています", "Connected"),
    "uplink_down": ("切れています", "Cut"),
    "uplink_for": ("{}前から", "for {}"),
    "uplink_backlog": ("未送信", "Waiting"),
    "uplink_frames": ("{} 件", "{} frames"),
    "uplink_drain": ("毎秒 {} 件ずつ送信中、残り約 {}", "sending {}/s, about {} left"),
    "uplink_held": (
        "データはハブに保存され、つながり次第送られます。",
        "The data is kept in the hub and goes out once the line is back.",
    ),
    "uplink_current": ("遅れなく送信しています", "Up to date"),
    "uplink_empty": ("未送信のデータはありません", "Nothing is waiting"),
    "uplink_live": ("送信待ち（現在分）", "Live, on the way"),
    "uplink_delivered": ("送信済み", "Delivered"),
    "uplink_stored": ("未送信（ハブに保存中）", "Kept in the hub, not yet delivered"),
    "uplink_evicted": ("容量不足で消したフレーム", "Dropped for lack of space"),
    "uplink_error": ("最後のエラー", "Last error"),
    # Intake
    "ingest": ("受信", "Intake"),
    "connections": ("接続中の機器", "Connections"),
    "frames_per_s": ("フレーム/秒", "Frames/s"),
    "readings_per_s": ("測定値/秒", "Readings/s"),
    "accepted": ("受理したフレーム", "Frames accepted"),
    "duplicates": ("重複（再送）", "Repeats"),
    "refused": ("拒否したフレーム", "Frames refused"),
    "refused_none": ("拒否はありません。", "None refused."),
    # The reasons of protocols.errors
    "refused_malformed": ("形式の誤り", "Malformed"),
    "refused_oversize": ("大きすぎる", "Too large"),
    "refused_wrong_key": ("鍵の不一致", "Wrong key"),
    "refused_unknown_device": ("未登録の機器", "Unknown device"),
    "refused_unexpected": ("順序外のメッセージ", "Unexpected message"),
    "refused_replayed": ("使い回し", "Replayed"),
    "refused_truncated": ("途中で切れた", "Cut in the middle"),
    "refused_silent": ("時間内に届かない", "Silent too long"),
    "refused_superseded": ("新しい接続に交代", "Replaced by a newer connection"),
    "refused_wrong_sender": ("別の機器のフレーム", "Frame of another device"),
    "refused_too_many": ("接続数の上限", "Too many connections"),
    "refused_overloaded": ("保存が追いつかない", "Storage overloaded"),
    "store": ("保存容量", "Storage"),
    "store_used": ("{} 中 {} 使用", "{1} of {0} used"),
    "store_hours": ("約 {} 時間で満杯", "full in about {} hours"),
    "store_failure": (
        "保存できません（{}）。機器は送り直すためデータを持ち続けています。",
        "Cannot store: {}. The devices keep their data to send it again.",
    ),
    "store_frames": ("保存フレーム", "Frames stored"),
    "viewers": ("このページを見ている画面", "Screens on this page"),
    # Alerts
    "warnings": ("発表中の警報", "Alerts in force"),
    "warning_number": ("第 {} 号", "No. {}"),
    "warning_unseen": ("まだ誰も確認していません", "nobody has acknowledged it yet"),
    "alerts": ("最近の警報", "Recent alerts"),
    "reports": ("橋りょう点検資料", "Bridge inspection reports"),
    "report_grade_0": ("基準に達した場所なし", "no place has reached a limit"),
    "report_grade_1": ("注意する場所あり", "some places deserve a look"),
    "report_grade_2": ("はじめに見る場所あり", "some places need a look first"),
    "alerts_none": ("警報はありません。", "No alerts."),
    "level_info": ("情報", "Info"),
    "level_watch": ("注意", "Watch"),
    "level_warning": ("警報", "Warning"),
    "level_emergency": ("緊急", "Emergency"),
    # Ages and spans
    "age_now": ("今", "now"),
    "age_ago": ("{}前", "{} ago"),
    "span_s": ("{} 秒", "{} s"),
    "span_min": ("{} 分", "{} min"),
    "span_h": ("{} 時間", "{} h"),
    "span_d": ("{} 日", "{} d"),
}

# The first part of a channel's name -> (Japanese, English). A channel that is not here shows
# its own name.
CHANNELS: dict[str, tuple[str, str]] = {
    "acc": ("加速度", "Accel."),
    "level": ("水位", "Water level"),
    "rain": ("雨量", "Rain"),
    "strain": ("ひずみ", "Strain"),
    "displacement": ("変位", "Displacement"),
    "temperature": ("温度", "Temperature"),
    "temp": ("温度", "Temperature"),
    "tilt": ("傾斜", "Tilt"),
    "moisture": ("土壌水分", "Soil moisture"),
    "soil": ("土壌水分", "Soil moisture"),
    "humidity": ("湿度", "Humidity"),
    "pressure": ("気圧", "Air pressure"),
    "supply": ("電源電圧", "Supply voltage"),
    "battery": ("電池電圧", "Battery voltage"),
}

# (first part of the channel or "", unit) -> (shown unit, factor, digits after the point).
# Operators read per cent and microstrain; the wire has the plain ratio. A unit that is not
# here is shown as it is, with as many digits as tell anything.
UNITS: dict[tuple[str, str], tuple[str, float, int]] = {
    ("strain", "1"): ("µε", 1e6, 1),
    ("moisture", "1"): ("%", 100, 1),
    ("soil", "1"): ("%", 100, 1),
    ("humidity", "1"): ("%", 100, 1),
    ("", "m/s2"): ("m/s²", 1, 3),
    ("", "m"): ("m", 1, 3),
    ("displacement", "m"): ("mm", 1000, 2),
    ("", "Cel"): ("°C", 1, 1),
    ("", "degC"): ("°C", 1, 1),
    ("", "deg"): ("°", 1, 3),
    ("", "rad"): ("mrad", 1000, 3),
    ("", "V"): ("V", 1, 2),
    ("", "%"): ("%", 1, 1),
    ("", "hPa"): ("hPa", 1, 1),
    ("", "1"): ("", 1, 3),
}


def texts_in(language: str) -> dict[str, str]:
    """Return the texts in "ja" or "en"."""
    return {key: pair[_column(language)] for key, pair in TEXTS.items()}


def page_words(language: str) -> dict[str, Any]:
    """Return what the page's script needs to write in that language, JSON-able."""
    column = _column(language)
    return {
        "language": language,
        "texts": texts_in(language),
        "texts_other": {key: TEXTS[key][1 - column] for key in TEXTS if key.startswith("mode_")},
        "channels": {name: pair[column] for name, pair in CHANNELS.items()},
        "units": {f"{channel} {unit}": list(shown) for (channel, unit), shown in UNITS.items()},
    }


def _column(language: str) -> int:
    return 1 if language == "en" else 0
