// Joins the stream to what is drawn, and keeps the viewer's choice of chart.

import { LiveChart } from "./chart.js";
import { byId, element, follow, setData, setText } from "./elements.js";
import { HubStream } from "./stream.js";
import { drawStatus } from "./view.js";
import { channelName, clockText, inLanguage, text } from "./words.js";

const CHOICE_KEY = "hinomi.chart";
const REDRAW_STALE_MS = 1000;

const chart = new LiveChart(byId("chart"));
let status = null;
let link = "waiting";
let drawnAtMs = 0;

const stream = new HubStream({ onStatus: takeStatus, onChart: takeChart, onLink: takeLink });

function takeStatus(fresh) {
  // The hub was updated: this page is of the old one.
  if (status && status.hub.version !== fresh.hub.version) location.reload();
  status = fresh;
  draw(0);
  drawChannels(fresh.devices.filter((device) => !device.personal));
}

function takeChart(fresh) {
  chart.take(fresh);
  showChoice(fresh);
  drawChart(0);
}

// Called four times a second; ages go on while the link is cut, so that nobody is misled.
function takeLink(now, elapsedMs) {
  if (now !== link) showLink(now, elapsedMs);
  if (now !== "live" && status && performance.now() - drawnAtMs > REDRAW_STALE_MS) {
    draw(elapsedMs);
    drawChart(elapsedMs);
  }
}

function draw(elapsedMs) {
  drawStatus(status, elapsedMs, chooseChannel);
  drawnAtMs = performance.now();
}

function drawChart(elapsedMs) {
  if (status) chart.draw(status.hub.utc_us / 1000 + elapsedMs);
  byId("chart-none").hidden = Boolean(window.uPlot) && !chart.isEmpty();
  byId("chart").setAttribute("aria-label", chart.describe());
}

function showLink(now, elapsedMs) {
  link = now;
  const live = now === "live" || now === "waiting";
  setData(document.documentElement, "link", live ? now : "stale");
  setText(byId("link-word"), text(live ? `link_${now}` : "link_retry"));
  setText(byId("mode-label"), text(live ? "mode" : "mode_last"));
  setText(byId("stale-bar"), live ? "" : staleText(now, elapsedMs));
  document.title = live ? text("title") : `⚠ ${text("title")}`;
}

function staleText(now, elapsedMs) {
  if (now === "busy") return text("link_busy");
  if (elapsedMs === null) return text("link_never");
  return text("link_stale", clockText(Date.now() - elapsedMs));
}

// The choices of the chart's form follow the devices.

function drawChannels(devices) {
  const rows = [];
  for (const device of devices) {
    for (const { channel } of device.readings) {
      const name = `${inLanguage(device, "name")} ${channelName(channel)}`;
      rows.push({ value: choiceValue(device.device, channel), name });
    }
  }
  const make = ({ value }) => {
    const root = element("option");
    root.value = value;
    return { root };
  };
  const update = (option, row) => setText(option.root, row.name);
  follow(byId("chart-channel"), rows, (row) => row.value, make, update);
  if (chart.chart) showChoice(chart.chart);
}

const choiceValue = (device, channel) => JSON.stringify([device, channel]);

function showChoice({ device, channel, window_s }) {
  const select = byId("chart-channel");
  const value = choiceValue(device, channel);
  if (select.value !== value) select.value = value;
  const option = select.options[select.selectedIndex];
  setText(byId("chart-name"), option ? option.textContent : channelName(channel));
  byId("chart-window").value = String(window_s);
}

function chooseChannel(device, channel) {
  const choice = { window_s: byId("chart-window").value };
  if (device) Object.assign(choice, { device, channel });
  keepChoice(choice);
  stream.choose(choice);
}

function chooseFromForm() {
  const value = byId("chart-channel").value;
  chooseChannel(...(value ? JSON.parse(value) : []));
}

// A browser may forbid storage; then the choice lasts as long as the page.
function keepChoice(choice) {
  try {
    localStorage.setItem(CHOICE_KEY, JSON.stringify(choice));
  } catch (error) {
    return;
  }
}

function keptChoice() {
  try {
    return JSON.parse(localStorage.getItem(CHOICE_KEY)) || {};
  } catch (error) {
    return {};
  }
}

byId("chart-form").addEventListener("change", chooseFromForm);
stream.choice = keptChoice();
stream.start();
