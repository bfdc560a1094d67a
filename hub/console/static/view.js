// Draws the hub's status. Each function draws one part of the page from one part of the status;
// `elapsedMs` is the time since the status arrived, which every age in it has grown by.

import { byId, element, follow, followFacts, setBar, setData, setText } from "./elements.js";
import {
  ageText,
  bytesText,
  channelName,
  clockText,
  count,
  hasText,
  inLanguage,
  language,
  momentText,
  shown,
  spanText,
  text,
  textOther,
  valueText,
} from "./words.js";
import { STALE_AFTER_MS } from "./stream.js";

const KINDS = ["river", "slope", "bridge", "home"];
// More devices of a kind than this start folded on a narrow screen: their states tell enough.
const UNFOLDED_MAX = 3;
const isNarrow = window.matchMedia("(max-width: 40rem)").matches;

const STATE_SIGNS = { online: "●", silent: "◐", offline: "○", never: "–" };
const LEVEL_SIGNS = { info: "i", watch: "!", warning: "!!", emergency: "!!!" };

export function drawStatus(status, elapsedMs, onChannel) {
  const nowMs = status.hub.utc_us / 1000 + elapsedMs;
  drawHub(status.hub);
  drawMode(status.mode, nowMs);
  drawWarnings(status.warnings || [], nowMs);
  drawAlerts(status.alerts, nowMs);
  drawReports(status.reports || [], nowMs);
  drawUpdate(status.update || null);
  drawUplinks(status.uplinks, elapsedMs);
  drawDevices(status, elapsedMs, onChannel);
  drawIngest(status);
}

function drawHub(hub) {
  setText(byId("hub-name"), `${text("hub")} ${hub.id} ${hub.version}`);
  setText(byId("hub-time"), clockText(hub.utc_us / 1000));
  const badge = byId("hub-clock");
  badge.hidden = !hub.utc_quality || hub.utc_quality === "synchronised";
  if (badge.hidden) return;
  setData(badge, "quality", hub.utc_quality);
  setText(badge, text(`clock_${hub.utc_quality}`));
}

function drawMode(mode, nowMs) {
  const key = `mode_${mode.mode}`;
  setData(byId("mode"), "mode", mode.mode);
  setData(byId("mode"), "drill", String(mode.drill));
  byId("mode-drill").hidden = !mode.drill;
  setText(byId("mode-word"), text(key));
  setText(byId("mode-other"), textOther(key));
  const detail = [text("mode_since", momentText(mode.since_utc_us / 1000, nowMs))];
  const reason = inLanguage(mode, "reason") || mode.reason;
  const actor = inLanguage(mode, "actor") || mode.actor;
  if (reason) detail.push(`${text("mode_reason")}: ${reason}`);
  if (actor) detail.push(`${text("mode_actor")}: ${actor}`);
  setText(byId("mode-detail"), detail.join(" · "));
  drawUnconfirmed(mode.unconfirmed);
}

// Which devices do not yet go by the mode or policy that is on; those that are away get both when
// they come back.
function drawUnconfirmed(unconfirmed) {
  const { counts, rows } = unconfirmed || { counts: {}, rows: [] };
  const total = (counts.refused || 0) + (counts.waiting || 0);
  byId("mode-unconfirmed").hidden = total === 0;
  if (total === 0) return;
  const head = text("unconfirmed", count(total), count(counts.away || 0));
  const named = rows
    .filter((row) => row.why !== "away")
    .map((row) => `${row.device} (${text(`unconfirmed_${row.what}`)}: ${text(`unconfirmed_${row.why}`)})`);
  const more = total > named.length ? " …" : "";
  setText(byId("mode-unconfirmed"), `${head} ${named.join(", ")}${more}`);
}

function drawAlerts(alerts, nowMs) {
  byId("alerts-none").hidden = alerts.length > 0;
  follow(byId("alerts"), alerts, (alert) => alert.id, makeAlert, (parts, alert) => {
    setData(parts.root, "level", alert.level);
    setText(parts.sign, LEVEL_SIGNS[alert.level] || "");
    setText(parts.level, text(`level_${alert.level}`));
    parts.drill.hidden = !alert.drill;
    setText(parts.time, momentText(alert.utc_us / 1000, nowMs));
    setText(parts.body, inLanguage(alert, "text"));
  });
}

function makeAlert() {
  const sign = element("span", "sign");
  sign.setAttribute("aria-hidden", "true");
  const level = element("span", "level");
  const drill = element("span", "drill-tag", "訓練 / DRILL");
  const time = element("time", "number");
  const body = element("p", "");
  const head = element("p", "alert-head", sign, level, " ", drill, " ", time);
  return { root: element("li", "", head, body), sign, level, drill, time, body };
}

// Warnings in force, the most severe first, and whether somebody sees to each.
function drawWarnings(warnings, nowMs) {
  byId("warnings-panel").hidden = warnings.length === 0;
  follow(byId("warnings"), warnings, (warning) => warning.id, makeAlert, (parts, warning) => {
    setData(parts.root, "level", warning.level);
    setText(parts.sign, LEVEL_SIGNS[warning.level] || "");
    setText(parts.level, `${text("warning_number", warning.id)} ${inLanguage(warning, "event")}`);
    parts.drill.hidden = !warning.drill;
    setText(parts.time, momentText(warning.utc_us / 1000, nowMs));
    const seen = warning.needs_acknowledgement ? ` — ${text("warning_unseen")}` : "";
    setText(parts.body, inLanguage(warning, "text") + seen);
  });
}

// Inspection reports of bridges; each opens in the page's language.
function drawReports(reports, nowMs) {
  byId("reports-panel").hidden = reports.length === 0;
  follow(byId("reports"), reports, (report) => report.name, makeReport, (parts, report) => {
    setData(parts.root, "level", ["info", "watch", "warning"][report.grade]);
    parts.drill.hidden = !report.drill;
    parts.page.href = `/reports/${encodeURIComponent(report.name)}/${language}.html`;
    parts.paper.href = `/reports/${encodeURIComponent(report.name)}/${language}.pdf`;
    setText(parts.page, inLanguage(report, "name"));
    setText(parts.time, momentText(report.utc_us / 1000, nowMs));
    setText(parts.body, text(`report_grade_${report.grade}`));
  });
}

function makeReport() {
  const page = element("a", "");
  const paper = element("a", "", "PDF");
  const drill = element("span", "drill-tag", "訓練 / DRILL");
  const time = element("time", "number");
  const body = element("p", "");
  const head = element("p", "alert-head", page, " ", paper, " ", drill, " ", time);
  return { root: element("li", "", head, body), page, paper, drill, time, body };
}

// The newest rollout of an update: how far it is, or why it has stopped.
function drawUpdate(update) {
  byId("update-panel").hidden = update === null;
  if (update === null) return;
  const counts = Object.values(update.counts);
  const total = counts.reduce((sum, number) => sum + number, 0);
  const done = text("update_done", count(update.counts.healthy), count(total));
  const stage = update.is_over ? text("update_over") : text("update_stage", update.stage);
  setText(byId("update-word"), [update.version, stage, done].join(" · "));
  setText(byId("update-stopped"), update.stopped ? text("update_stopped", update.stopped) : "");
  byId("update-frozen").hidden = !update.is_frozen || update.is_over;
}

// The longest backlog seen, so that the bar shows how much of it is left.
const backlogPeaks = new Map();

function drawUplinks(uplinks, elapsedMs) {
  byId("uplinks-none").hidden = uplinks.length > 0;
  follow(byId("uplinks"), uplinks, (uplink) => uplink.name, makeUplink, (parts, uplink) => {
    const up = uplink.state === "up";
    setData(parts.root, "state", uplink.state);
    setText(parts.name, uplink.name);
    const since = text("uplink_for", spanText(uplink.since_age_ms + elapsedMs));
    setText(parts.state, `${up ? "●" : "✕"} ${text(up ? "uplink_up" : "uplink_down")} (${since})`);
    drawBacklog(parts, uplink, up);
    followFacts(parts.facts, [
      [text("uplink_live"), count(uplink.live)],
      [text("uplink_delivered"), count(uplink.delivered)],
      [text("uplink_stored"), count(uplink.stored)],
      ...(uplink.evicted ? [[text("uplink_evicted"), count(uplink.evicted)]] : []),
      ...(uplink.last_error ? [[text("uplink_error"), uplink.last_error]] : []),
    ]);
  });
}

function makeUplink() {
  const name = element("h3", "");
  const state = element("p", "state value");
  const fill = element("div", "");
  const bar = element("div", "bar", fill);
  bar.setAttribute("aria-hidden", "true");
  const backlog = element("p", "number value");
  const note = element("p", "quiet");
  const facts = element("dl", "facts");
  const head = element("div", "card-head", name, state);
  const root = element("article", "uplink", head, backlog, bar, note, facts);
  return { root, name, state, fill, backlog, note, facts };
}

function drawBacklog(parts, uplink, up) {
  // While the line is up, what is live is on its way; while it is cut, all that is kept waits.
  const waiting = up ? uplink.backlog : uplink.stored;
  const peak = waiting > 0 ? Math.max(backlogPeaks.get(uplink.name) || 0, waiting) : 0;
  backlogPeaks.set(uplink.name, peak);
  setBar(parts.fill, peak ? waiting / peak : 0);
  const label = `${text("uplink_backlog")}: ${text("uplink_frames", count(waiting))}`;
  setText(parts.backlog, waiting > 0 ? label : text(up ? "uplink_current" : "uplink_empty"));
  setText(parts.note, backlogNote(uplink, up));
  parts.note.hidden = parts.note.textContent === "";
}

function backlogNote(uplink, up) {
  if (!up) return text("uplink_held");
  if (!(uplink.backlog > 0 && uplink.drain_per_s > 0)) return "";
  const leftMs = (uplink.backlog / uplink.drain_per_s) * 1000;
  return text("uplink_drain", count(uplink.drain_per_s), spanText(leftMs));
}

function drawDevices(status, elapsedMs, onChannel) {
  const { devices } = status;
  setText(byId("devices-summary"), devices.length ? devicesSummary(status) : "");
  byId("devices-none").hidden = devices.length > 0;
  const kindOf = (device) => (KINDS.includes(device.kind) ? device.kind : "other");
  const kinds = [...KINDS, "other"].map((kind) => ({
    kind,
    devices: devices.filter((device) => kindOf(device) === kind),
  }));
  const filled = kinds.filter((group) => group.devices.length > 0);
  follow(byId("devices"), filled, (group) => group.kind, makeKind, (parts, group) => {
    parts.note.hidden = !group.devices.some((device) => device.personal);
    const key = (device) => device.device + (device.personal ? " personal" : "");
    const open = !isNarrow || group.devices.length <= UNFOLDED_MAX;
    const make = (device) => makeDevice(device, open, onChannel);
    follow(parts.cards, group.devices, key, make, (card, device) => {
      drawDevice(card, device, elapsedMs);
    });
  });
}

// The rows may be fewer than the devices; the counts are of all.
function devicesSummary({ devices, device_counts: counts }) {
  const states = ["online", "silent", "offline", "never"];
  const total = counts ? states.reduce((sum, state) => sum + counts[state], 0) : devices.length;
  const online = devices.filter((device) => device.state === "online").length;
  const parts = [text("devices_summary", count(total), count(counts ? counts.online : online))];
  if (counts && counts.safe_mode) parts.push(text("devices_safe", count(counts.safe_mode)));
  if (total > devices.length) parts.push(text("devices_shown", count(devices.length)));
  return parts.join(" · ");
}

function makeKind(group) {
  const note = element("p", "quiet", text("personal_notice"));
  const cards = element("div", "cards");
  const title = element("h3", "", text(`kind_${group.kind}`));
  return { root: element("section", "kind", title, note, cards), note, cards };
}

function makeDevice(device, open, onChannel) {
  const name = element("h4", "");
  const state = element("p", "state value");
  if (device.personal) {
    const head = element("div", "card-head", name, state);
    return { root: element("article", "panel device", head), name, state };
  }
  const readings = element("tbody", "");
  const none = element("p", "quiet", text("readings_none"));
  const facts = element("dl", "facts");
  const details = element("details", "", element("summary", "", text("details")), facts);
  const head = element("summary", "card-head", name, state);
  const table = element("table", "readings", readings);
  const root = element("details", "panel device", head, table, none, details);
  root.open = open;
  return { root, name, state, readings, none, facts, details, onChannel };
}

function drawDevice(card, device, elapsedMs) {
  setData(card.root, "state", device.state);
  setText(card.name, inLanguage(device, "name"));
  setData(card.root, "safe", String(Boolean(device.safe_mode)));
  const safe = device.safe_mode ? ` ▲ ${text("safe_mode")}` : "";
  setText(card.state, `${STATE_SIGNS[device.state] || "?"} ${stateWord(device)}${safe}`);
  if (device.personal) return;
  card.none.hidden = device.readings.length > 0;
  const make = (reading) => makeReading(device, reading, card.onChannel);
  follow(card.readings, device.readings, (reading) => reading.channel, make, (parts, reading) => {
    drawReading(parts, reading, elapsedMs);
  });
  if (card.details.open || !card.facts.known) drawDeviceFacts(card.facts, device, elapsedMs);
}

function stateWord(device) {
  if (!device.personal) return text(`state_${device.state}`);
  return text(device.state === "online" ? "state_ok" : "state_silent");
}

function makeReading(device, reading, onChannel) {
  const label = channelName(reading.channel);
  const button = element("button", "", label);
  button.type = "button";
  button.title = text("reading_chart", label);
  button.addEventListener("click", () => onChannel(device.device, reading.channel));
  const value = element("td", "number value");
  const age = element("td", "number age");
  const head = element("th", "", button);
  head.scope = "row";
  return { root: element("tr", "", head, value, age), value, age };
}

function drawReading(parts, reading, elapsedMs) {
  const form = shown(reading.channel, reading.unit);
  const current = reading.current && elapsedMs < STALE_AFTER_MS;
  setData(parts.root, "current", String(current));
  setText(parts.value, `${valueText(reading.value, form)} ${form.unit}`);
  setText(parts.age, readingAge(reading.age_ms, elapsedMs, current));
}

function readingAge(ageMs, elapsedMs, current) {
  if (ageMs === null) return "–";
  const age = ageMs + elapsedMs;
  return current ? ageText(age) : text("reading_old", spanText(age));
}

function drawDeviceFacts(list, device, elapsedMs) {
  const age = device.last_frame_age_ms;
  const error = device.clock_uncertainty_us;
  followFacts(list, [
    [text("last_frame"), ageText(age === null ? null : age + elapsedMs)],
    [text("received"), count(device.received)],
    [text("clock_uncertainty"), error === null ? "–" : `± ${count(error / 1000)} ms`],
    [text("boot"), count(device.boot)],
    [text("firmware"), firmwareText(device)],
    ...(device.reset_cause ? [[text("reset_cause"), causeText(device)]] : []),
    ...(device.crash ? [[text("crash"), device.crash]] : []),
  ]);
}

function firmwareText(device) {
  const trial = device.on_trial ? `, ${text("on_trial")}` : "";
  return (device.firmware || "–") + (device.slot ? ` (${text("slot", device.slot)}${trial})` : "");
}

function causeText(device) {
  const key = `cause_${device.reset_cause}`;
  const cause = hasText(key) ? text(key) : device.reset_cause;
  return device.supply_weak ? `${cause} — ${text("supply_weak")}` : cause;
}

function drawIngest(status) {
  const { ingest, store } = status;
  followFacts(byId("ingest"), [
    ...["connections", "frames_per_s", "readings_per_s", "accepted", "duplicates"].map((key) => [
      text(key),
      count(ingest[key]),
    ]),
    [text("store_frames"), count(store.frames)],
    [text("viewers"), count(status.console.clients)],
  ]);
  const refused = Object.entries(ingest.refused).filter(([, number]) => number > 0);
  const total = refused.reduce((sum, [, number]) => sum + number, 0);
  setText(byId("refused-total"), count(total));
  byId("refused-none").hidden = total > 0;
  const reason = (key) => (hasText(`refused_${key}`) ? text(`refused_${key}`) : key);
  followFacts(byId("refused"), refused.map(([key, number]) => [reason(key), count(number)]));
  setText(byId("store-failure"), store.failure ? text("store_failure", store.failure) : "");
  setBar(byId("store-bar"), store.bytes / store.size_max);
  const used = text("store_used", bytesText(store.size_max), bytesText(store.bytes));
  const hours = store.hours_to_full ?? null; // null: it does not fill
  const parts = hours === null ? [used] : [used, text("store_hours", count(Math.round(hours)))];
  setText(byId("store-word"), parts.join(" · "));
}
