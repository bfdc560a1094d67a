// The one live connection to the hub, and the judgement whether what it brought is still fresh.

// As STALE_AFTER_S in limits.py: three ticks without a status.
export const STALE_AFTER_MS = 3000;
// A stream that brings nothing for this long is opened anew: a dead Wi-Fi gives no error.
const SILENT_AFTER_MS = 5000;
const CHECK_MS = 250;
const RETRY_MS_MIN = 500;
const RETRY_MS_SPREAD = 1000; // So that all screens do not come back at the same moment.

// Time since a moment. Either clock alone would lie: performance.now() stands still while some
// computers sleep, and Date.now() jumps when somebody sets the time. The larger is the safe one.
class Since {
  constructor() {
    this.steady = performance.now();
    this.wall = Date.now();
  }

  elapsedMs() {
    return Math.max(performance.now() - this.steady, Date.now() - this.wall);
  }
}

// Calls onStatus(status) and onChart(chart) with what arrives, and onLink(link, elapsedMs) four
// times a second. link: "waiting" | "live" | "stale" | "busy"; elapsedMs: age of the last
// status, null if there never was one. A status whose handler threw does not count as arrived:
// a page that cannot draw the present must not claim to.
export class HubStream {
  constructor({ onStatus, onChart, onLink }) {
    this.onStatus = onStatus;
    this.onChart = onChart;
    this.onLink = onLink;
    this.choice = {};
    this.arrived = null;
    this.opened = new Since();
    this.refused = false;
    this.events = null;
    this.retry = null;
  }

  start() {
    document.addEventListener("visibilitychange", () => this.follow());
    window.addEventListener("pageshow", () => this.check());
    setInterval(() => this.check(), CHECK_MS);
    this.follow();
  }

  // choice: {device, channel, window_s}, each may be missing; the stream has one chart only.
  choose(choice) {
    this.choice = choice;
    if (!document.hidden) this.open();
  }

  // A page out of sight gives its place to somebody who looks.
  follow() {
    this.check();
    if (document.hidden) this.close();
    else this.open();
  }

  open() {
    this.close();
    this.opened = new Since();
    this.events = new EventSource("/events?" + new URLSearchParams(this.choice));
    this.events.addEventListener("status", (event) => this.take(event));
    this.events.addEventListener("chart", (event) => this.onChart(JSON.parse(event.data)));
    this.events.addEventListener("error", (event) => this.fail(event.target));
  }

  close() {
    clearTimeout(this.retry);
    if (this.events) this.events.close();
    this.events = null;
  }

  take(event) {
    this.onStatus(JSON.parse(event.data));
    this.arrived = new Since();
    this.refused = false;
    this.check();
  }

  // A browser gives a stream up for good when the hub answers it with an error, and waits long
  // when there is no answer; so retrying is done here, alike for both.
  fail(events) {
    if (events !== this.events) return;
    this.refused = events.readyState === EventSource.CLOSED;
    this.close();
    const wait = RETRY_MS_MIN + Math.random() * RETRY_MS_SPREAD;
    this.retry = setTimeout(() => this.follow(), wait);
  }

  check() {
    const age = this.arrived ? this.arrived.elapsedMs() : null;
    this.onLink(this.link(age), age);
    const quiet = Math.min(this.opened.elapsedMs(), age === null ? Infinity : age);
    if (this.events && quiet > SILENT_AFTER_MS) this.open();
  }

  link(age) {
    if (age !== null && age <= STALE_AFTER_MS) return "live";
    if (this.refused) return "busy";
    if (age === null && performance.now() < STALE_AFTER_MS) return "waiting";
    return "stale";
  }
}
