// The live chart: least and greatest value of each stretch of time, the right edge always now,
// and no line across a time from which nothing came.

import { channelName, clockText, shown, text, valueText } from "./words.js";

const HEIGHT = 260;
// A line breaks where the next point is later than this many usual steps.
const GAP_STEPS = 3;

export class LiveChart {
  constructor(target) {
    this.target = target;
    this.clear();
    window.matchMedia("(prefers-color-scheme: dark)").addListener(() => this.rebuild());
    window.addEventListener("resize", () => this.resize());
  }

  clear() {
    this.chart = null;
    this.rows = [];
  }

  // Takes a `chart` event: the whole, or what comes from its first stretch on.
  take(chart) {
    const rows = chart.t_ms.map((t, index) => [t, chart.min[index], chart.max[index]]);
    if (chart.whole || !this.isSame(chart)) this.rows = rows;
    else if (rows.length) this.rows = this.rows.filter(([t]) => t < rows[0][0]).concat(rows);
    const changed = !this.isSame(chart);
    this.chart = chart;
    this.form = shown(chart.channel, chart.unit || "");
    if (changed) this.rebuild();
  }

  isSame(chart) {
    const fields = ["device", "channel", "window_s", "unit"];
    return this.chart !== null && fields.every((field) => this.chart[field] === chart[field]);
  }

  // nowMs: the hub's UTC of this moment.
  draw(nowMs) {
    if (!this.plot) return;
    this.nowMs = nowMs;
    this.rows = this.rows.filter(([t]) => t >= nowMs - this.chart.window_s * 1000);
    this.plot.setData(this.columns());
  }

  isEmpty() {
    return this.rows.length === 0;
  }

  // Says in words what the picture shows.
  describe() {
    if (!this.chart || this.isEmpty()) return text("chart_none");
    const value = (number) => `${valueText(number, this.form)} ${this.form.unit}`;
    const low = Math.min(...this.rows.map((row) => row[1]));
    const high = Math.max(...this.rows.map((row) => row[2]));
    const last = this.rows[this.rows.length - 1][2];
    return text("chart_label", channelName(this.chart.channel), value(low), value(high), value(last));
  }

  columns() {
    const columns = [[], [], []];
    const gapMs = this.gapMs();
    let before = null;
    for (const [t, low, high] of this.rows) {
      if (before !== null && t - before > gapMs) push(columns, (before + t) / 2000, null, null);
      push(columns, t / 1000, low * this.form.factor, high * this.form.factor);
      before = t;
    }
    return columns;
  }

  gapMs() {
    const steps = this.rows.slice(1).map(([t], index) => t - this.rows[index][0]);
    steps.sort((a, b) => a - b);
    const usual = steps.length ? steps[steps.length >> 1] : 0;
    return GAP_STEPS * Math.max(usual, this.chart.bucket_ms);
  }

  rebuild() {
    if (this.plot) this.plot.destroy();
    this.plot = null;
    if (!this.chart || !window.uPlot) return;
    this.plot = new window.uPlot(this.options(), this.columns(), this.target);
  }

  resize() {
    if (this.plot) this.plot.setSize({ width: this.target.clientWidth, height: HEIGHT });
  }

  options() {
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--quiet"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
    };
    const clock = (_, seconds) => (seconds === null ? "–" : clockText(seconds * 1000));
    const value = (_, number) => valueText(number, { ...this.form, factor: 1 });
    const line = { stroke: colour("--chart"), width: 1.5, value };
    return {
      width: this.target.clientWidth,
      height: HEIGHT,
      legend: { markers: { show: false } },
      cursor: { drag: { x: false, y: false } },
      scales: { x: { time: true, range: () => this.span() } },
      axes: [
        { ...axis, space: 80, values: (_, ticks) => ticks.map((tick) => tickText(tick, this.chart)) },
        { ...axis, size: 64, label: this.form.unit, labelSize: 20 },
      ],
      series: [
        { label: text("chart_time"), value: clock },
        { label: text("chart_min"), ...line },
        { label: text("chart_max"), ...line },
      ],
      bands: [{ series: [2, 1], fill: colour("--chart-band") }],
    };
  }

  span() {
    const nowMs = this.nowMs || Date.now();
    return [nowMs / 1000 - this.chart.window_s, nowMs / 1000];
  }
}

function push(columns, ...row) {
  row.forEach((value, index) => columns[index].push(value));
}

// Seconds only where the span is short enough for them to tell something.
function tickText(seconds, chart) {
  const clock = clockText(seconds * 1000);
  return chart.window_s > 600 ? clock.slice(0, 5) : clock;
}
