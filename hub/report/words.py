"""Every word of an inspection report. key: (Japanese, English); `{}` takes numbers and names."""

WORDS = {
    "title": ("橋りょう点検資料", "Bridge inspection report"),
    "exercise": ("訓練 / Exercise — これは訓練です", "訓練 / Exercise — this is a drill"),
    "cause": ("きっかけ", "Cause"),
    "event": ("発生時刻", "Time of the event"),
    "made": ("作成時刻", "Made at"),
    "until": ("対象とした記録", "Record used"),
    "until_text": ("発生の{:.0f}秒前から{:.0f}秒後まで", "{:.0f} s before to {:.0f} s after"),
    "made_by": ("作成", "Made by"),
    "verdict": ("はじめに見る場所", "Where to look first"),
    "verdict_first": ("{} か所が基準に達したか、遠隔では判定できません。まずこの場所を点検して"
                      "ください。", "Places that have reached a limit, or cannot be judged from "
                      "here: {}. Please inspect these first."),
    "verdict_none": ("基準に達した場所はありません。目視点検の要否は管理者が判断してください。",
                     "No place has reached a limit. Whether to inspect is for people to decide."),
    "rank": ("順位", "Rank"),
    "place": ("場所", "Place"),
    "look": ("点検", "Inspect"),
    "look_first": ("最優先", "first"),
    "look_next": ("次に", "next"),
    "look_later": ("通常", "in turn"),
    "unknown": ("判定不能", "not computable"),
    "sensors": ("センサ", "Sensors"),
    "sensors_good": ("正常", "good"),
    "peak": ("最大加速度", "Peak"),
    "moved": ("残留変位", "Residual displacement"),
    "loss": ("振動数の低下", "Frequency lost"),
    "strain": ("残留ひずみ", "Residual strain"),
    "limit": ("基準", "limit"),
    "measured": ("値", "Measured"),
    "quantity": ("項目", "Quantity"),
    "frequency_learned": ("固有振動数: 平常時(同じ温度) {:.3f} Hz、発生後 {}",
                          "Natural frequency: {:.3f} Hz at this temperature in normal times, {} "
                          "after"),
    "frequency_before": ("固有振動数: 直前 {:.3f} Hz、発生後 {}(平常値は学習中)",
                         "Natural frequency: {:.3f} Hz just before, {} after (what is normal is "
                         "still being learned)"),
    "fatigue": ("疲労(累積損傷度、{}級): {:.2g}(観測期間中)",
                "Fatigue (Miner sum, class {}): {:.2g} since it has been watched"),
    "wave": ("鉛直加速度", "Vertical acceleration"),
    "displacement": ("変位", "Displacement"),
    "strain_wave": ("ひずみ", "Strain"),
    "spectrum": ("スペクトル 灰: 前、黒: 後", "Spectrum, grey: before, black: after"),
    "time_axis": ("発生からの秒", "s from the event"),
    "mark_expected": ("平常 {:.2f}", "normal {:.2f}"),
    "notes": ("注意", "Notes"),
    "note_people": ("この資料は点検の順番を決めるための計測結果です。通行の可否は人が判断します。",
                    "These are measurements for deciding where to inspect first. Whether the "
                    "bridge may be used is for people to decide."),
    "note_first": ("判定できない場所は、基準に達した場所と同じ順位に置いています。",
                   "A place that cannot be judged ranks like one that has reached its limit."),
    "note_temperature": ("振動数は温度の影響を除いて比べています。変位は発生直前との差です。",
                         "Frequencies are compared with temperature taken out. Displacements are "
                         "differences from just before the event."),
    "no data": ("データなし", "no data"),
    "too little after the shaking": ("揺れの後の記録が短い", "too little after the shaking"),
    "nothing before": ("直前の記録なし", "nothing before"),
    "no clear mode": ("卓越する振動なし", "no clear mode"),
    "silent": ("{:.0f} 秒 応答なし", "silent for {:.0f} s"),
    "holes": ("欠測 {:.0f}%", "{:.0f} % missing"),
    "stuck": ("値が変わらない", "stuck"),
    "noisy": ("雑音 {:.0f} 倍", "{:.0f} times its noise"),
    "channel missing": ("データが途絶", "channel missing"),
    "page": ("{} ページ", "page {}"),
}  # fmt: skip


def word(key: str, language: str, *values: object) -> str:
    """Return the text of that key in ja or en."""
    return WORDS[key][language == "en"].format(*values)
