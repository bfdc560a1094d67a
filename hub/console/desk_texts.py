"""Every word of the operators' desk, in Japanese and English.

`{}` in a text is where a number or a name comes in.
"""

from __future__ import annotations

# key: (Japanese, English)
DESK_TEXTS: dict[str, tuple[str, str]] = {
    "desk": ("操作卓", "Operator's desk"),
    "desk_of": ("火の見 操作卓", "Hinomi operator's desk"),
    "public_page": ("公開ページ", "Public page"),
    "log_in": ("ログイン", "Log in"),
    "log_out": ("ログアウト", "Log out"),
    "name": ("名前", "Name"),
    "password": ("パスワード", "Password"),
    "role_viewer": ("閲覧のみ", "viewer"),
    "role_operator": ("操作員", "operator"),
    "role_watch-over": ("見守り担当", "watch-over"),
    "no_script": (
        "JavaScript が動いていないため、この画面は自動では新しくなりません。"
        "再読み込みしてください。",
        "Without JavaScript this screen does not renew itself. Please reload it.",
    ),
    # Why somebody cannot log in
    "nobody": (
        "操作員がまだ登録されていません。ハブの端末で登録します: hinomi hub operator add",
        "No operator yet. Add one at the hub's terminal: hinomi hub operator add",
    ),
    "not_our_name": (
        "このアドレスの名前はハブのものとして知られていません。"
        "hub.toml の console.names に書くか、数字のアドレスで開いてください。",
        "The name in this address is not known as the hub's. Write it into console.names in "
        "hub.toml, or open the page by its number.",
    ),
    "not_here": (
        "この接続ではログインできません。パスワードが暗号化されずに流れるためです。ハブの画面か"
        " HTTPS でお使いください（設定 console.login）。",
        "One cannot log in over this connection: the password would travel unencrypted. Use the "
        "hub's own screen or HTTPS (setting console.login).",
    ),
    "wrong": ("名前かパスワードが違います。", "Wrong name or password."),
    "locked": (
        "間違いが続いたため、この画面からはこの名前で {} 分間ログインできません。"
        "急ぐときはハブの端末で: hinomi hub operator unlock",
        "After too many wrong passwords this name is locked for {} minutes on this screen. In "
        "haste, at the hub's terminal: hinomi hub operator unlock",
    ),
    "too_many": (
        "この画面からの試行が多すぎます。1 分ほど待ってください。",
        "Too many tries from this screen. Please wait a minute.",
    ),
    "busy": (
        "ほかの人のログインを処理しています。もう一度お試しください。",
        "Others are logging in just now. Please try again.",
    ),
    "over": (
        "ログインの時間が切れました。もう一度ログインしてください。",
        "The session is over. Please log in again.",
    ),
    "forged": (
        "この画面から送られたものと確認できないため、実行しませんでした。"
        "操作卓を開き直してください。",
        "Not done: it was not sent by this page. Please open the desk again.",
    ),
    "not_allowed": (
        "この役割ではできません。操作員に頼むか、役割を変えてもらってください。",
        "This role may not do that. Ask an operator, or have the role changed.",
    ),
    # Bars
    "bar_stale": (
        "ハブとの接続が切れています。下の内容は今のものではないかもしれません。",
        "The hub does not answer. What stands below may not be the present.",
    ),
    "bar_changed": ("内容が変わりました。", "Something has changed."),
    "show": ("新しい内容を表示", "Show it"),
    # Mode
    "mode": ("現在のモード", "Mode now"),
    "mode_normal": ("平常", "NORMAL"),
    "mode_watch": ("警戒", "WATCH"),
    "mode_disaster": ("災害", "DISASTER"),
    "mode_since": ("{} から", "since {}"),
    "drill": ("訓練", "DRILL"),
    "drill_notice": (
        "これは訓練です。実際の災害ではありません。",
        "This is a drill, not a real disaster.",
    ),
    "mode_change": ("モードを変える（本番）", "Change the mode (for real)"),
    "mode_change_note": (
        "すべての機器と警報に本番として効きます。訓練中なら訓練は終わります。",
        "It counts for all devices and alerts, for real. A drill ends.",
    ),
    "mode_to": ("{}にする", "Set {}"),
    "reason": ("理由", "Reason"),
    "reason_hint": ("公開ページと記録に残ります", "it stands on the public page and in the log"),
    "hours": ("保つ時間", "Hours to hold it"),
    "hours_hint": ("0: 落ち着けば自動で下がります", "0: it falls by itself in calm"),
    "confirm": (
        "確認のため「{}」と入力してください",
        "To confirm, type “{}”",
    ),
    "minutes": ("時間（分）", "Minutes"),
    "drills": ("防災訓練", "Drills"),
    "drill_start": ("訓練を始める", "Begin a drill"),
    "drill_start_note": (
        "すべてに「訓練」と付き、本物のサイレンは鳴らず、時間が来れば自動で終わります。",
        "Everything is marked as a drill, no real siren sounds, and it ends by itself.",
    ),
    "drill_only_normal": (
        "訓練は平常のときだけ始められます。",
        "A drill can begin in normal mode only.",
    ),
    "drill_mode": ("訓練のモード", "Mode of the drill"),
    "drill_kind": ("想定", "Event"),
    "drill_stop": ("訓練を終える", "End the drill"),
    # Alerts
    "alerts": ("続いている警報と知らせ", "Open alerts and findings"),
    "to_alerts": ("警報とモード", "Alerts and mode"),
    "alerts_none": ("続いている警報はありません。", "No alert is open."),
    "alerts_more": (
        "ほかに {} 件あります（hinomi hub alerts list）。",
        "{} more: see hinomi hub alerts list.",
    ),
    "level_info": ("情報", "Info"),
    "level_watch": ("注意", "Watch"),
    "level_warning": ("警報", "Warning"),
    "level_emergency": ("緊急", "Emergency"),
    "must_ack": ("確認が必要", "Must be acknowledged"),
    "by_operator": ("操作員または見守り担当", "by an operator or watch-over"),
    "by_watch_over": ("見守り担当", "by watch-over"),
    "reminded": ("催促 {} 回", "reminded {} times"),
    "acked": ("確認済み: {}", "Acknowledged: {}"),
    "no_ack": ("確認は不要", "Needs no acknowledgement"),
    "ack": ("確認しました", "Acknowledge"),
    "ack_note": ("メモ（任意）", "Note (optional)"),
    "ack_of": ("第 {} 号を確認", "Acknowledge No. {}"),
    "number": ("第 {} 号", "No. {}"),
    "personal": (
        "個人に関わるため、内容は「見守りと安否」にだけ出ます。",
        "It concerns a person: see “People and safety”.",
    ),
    # People
    "people": ("見守りと安否", "People and safety"),
    "people_ask": (
        "ここから先は個人に関わる情報です。見た人・担当・根拠が、表示のたびに記録されます。",
        "What follows concerns people. Who looks, for whom and on which ground is recorded at "
        "each view.",
    ),
    "office": ("担当", "Office"),
    "ground": ("閲覧の根拠", "Ground for looking"),
    "ground_hint": ("例: 当番、家族からの問い合わせ", "e.g. on duty, the family asked"),
    "people_open": ("記録して開く", "Record it and open"),
    "people_close": ("閲覧を終える", "End looking"),
    "people_search": ("番号・場所でさがす", "Find by id or place"),
    "search": ("さがす", "Find"),
    "cases": ("対応中の見守り", "Open cases of watch-over"),
    "cases_none": ("対応中のものはありません。", "There is none."),
    "ask_now": ("いま連絡する先", "Ask now"),
    "safety": ("安否確認表", "Safety confirmation list"),
    "safety_none": (
        "安否確認表は、モードが災害になると始まります。",
        "The list begins when the mode is disaster.",
    ),
    "safety_add": ("安否を入力", "Enter how somebody is"),
    "safety_id": ("番号（仮名・世帯）", "Id (pseudonym or household)"),
    "safety_state": ("安否", "State"),
    "safety_safe": ("無事", "Safe"),
    "safety_needs-help": ("要支援", "Needs help"),
    "safety_unknown": ("不明", "Unknown"),
    "safety_people": ("人数", "People"),
    "safety_place": ("場所", "Place"),
    "safety_note": ("備考", "Note"),
    "safety_source": ("情報源", "Source"),
    "safety_source_hint": ("例: 避難所 2、本人の電話", "e.g. shelter 2, a call"),
    "safety_change": ("更新", "Update"),
    "safety_shown": ("{0} 件のうち {1} 件を表示", "{1} of {0} shown"),
    "save": ("記録する", "Record"),
    # What came of it
    "done_ack": ("確認を記録しました。", "The acknowledgement is recorded."),
    "done_mode": ("モードを変えました。", "The mode is set."),
    "done_drill": ("訓練を始めました。", "The drill has begun."),
    "done_drill_end": ("訓練を終えました。", "The drill is over."),
    "done_safety": ("安否を記録しました。", "It is recorded."),
    "bad_confirm": (
        "確認の言葉が違うため、実行しませんでした。",
        "Not done: the word of confirmation is another.",
    ),
    "bad_reason": ("理由を書いてください。", "Please give a reason."),
    "bad_ground": ("閲覧の根拠を書いてください。", "Please give a ground."),
    "bad_field": (
        "入力が足りないか、長すぎます。書き直してください。",
        "Something is missing or too long. Please write it again.",
    ),
    "not_done": ("実行できませんでした", "Not done"),
}

# Part of a handler's cause -> what an operator at the desk reads instead.
REFUSALS: tuple[tuple[str, str, str], ...] = (
    ("nothing to acknowledge",
     "すでに確認されているか、確認の要らないものです。",
     "It is acknowledged already, or needs no acknowledgement."),
    ("there is no such event", "もう終わっています。", "It is over already."),
    ("more severe by now",
     "その後、重大度が上がっています。内容を確かめて、もう一度確認してください。",
     "It has become more severe. Look at it again, then acknowledge it."),
    ("It concerns a person",
     "個人に関わる警報は、見守り担当が確認します。",
     "Watch-over acknowledges what concerns a person."),
    ("There is no drill", "訓練は行われていません。", "There is no drill."),
    ("A drill is on already",
     "すでに訓練中です。先に訓練を終えてください。",
     "A drill is on already; end it first."),
    (", for real",
     "本番のモードが出ているため、訓練は始められません。",
     "The mode is set for real, so no drill can begin."),
    ("There is no safety list",
     "安否確認表は、モードが災害になると始まります。",
     "The list begins when the mode is disaster."),
    ("The safety list is",
     "入力中に訓練と本番が切り替わったため、記録していません。内容を確かめて、もう一度入力してください。",
     "Not recorded: a drill has begun or ended meanwhile. Look again, then enter it anew."),
    ("may not see what is known of people",
     "この担当には閲覧が許されていません（拒否も記録されました）。hub.toml の people.viewers か、"
     "災害時は hinomi hub people widen で許します。",
     "This office may not look (the refusal is recorded, too). Allow it with people.viewers in "
     "hub.toml or, in a disaster, with hinomi hub people widen."),
    ("It cannot be written down who looks",
     "閲覧を記録できないため、表示しません。保存の状態を確認してください。",
     "The view cannot be recorded, so nothing is shown. Look at the hub's storage."),
)  # fmt: skip


def desk_texts_in(language: str) -> dict[str, str]:
    """Return the texts in "ja" or "en"."""
    return {key: pair[language == "en"] for key, pair in DESK_TEXTS.items()}


def refusal(cause: str, remedy: str) -> tuple[str, str]:
    """Return in Japanese and English why something was not done."""
    for part, ja, en in REFUSALS:
        if part in cause:
            return ja, en
    ja, en = DESK_TEXTS["not_done"]
    return f"{ja}（{cause}. {remedy}）", f"{en}: {cause}. {remedy}"
