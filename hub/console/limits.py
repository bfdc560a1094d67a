"""Every limit of the page, with its reason. Reaching one refuses or drops, and counts."""

# Streams open at once. A town hall has tens of screens; 100 streams were measured at 1 % of a core
# of a desktop, 9 kB a second each, and a page that is out of sight gives its place back.
CLIENTS_MAX = 100

# Connections of any kind: each browser opens up to six while it loads the page.
CONNECTIONS_MAX = 3 * CLIENTS_MAX

# A connection must have sent its whole first request by then, or it is cut.
REQUEST_HEAD_TIMEOUT_S = 10.0

# How often the source is read and every stream told.
TICK_S = 1.0

# A snapshot older than this is not served as the present state. The page uses the same bound
# for its own mark, see `stale_after_ms` in static/stream.js.
STALE_AFTER_S = 3.0

# A stream whose bytes nobody takes for this long is given up. Short enough that a vanished
# phone does not hold a place, long enough for a radio hole on the road.
SEND_TIMEOUT_S = 10.0

# The kernel keeps this much unsent for a stream. Its default grows to megabytes, which would
# hide a stalled reader for minutes and then hand it old news.
SEND_BUFFER_SIZE = 65_536

# How long the last replies may take when the hub stops.
SHUTDOWN_TIMEOUT_S = 1

# The spans that the chart offers. Each is cut into CHART_POINTS stretches: about as many as
# a chart has pixels on a phone, half of those on a desktop.
CHART_WINDOWS_S = (120, 600, 3_600, 86_400)
CHART_WINDOW_DEFAULT_S = 120
CHART_POINTS = 600

# After so many ticks a chart is sent whole again: backlog that a device delivers after an
# outage belongs before the newest point, where no increment reaches.
CHART_WHOLE_TICKS = 30

# Longest device or channel name taken from a URL.
NAME_SIZE_MAX = 64

# Alerts passed on to the page, newest first.
ALERTS_MAX = 30

# A form of the desk: the longest fields together take some 4 kB as they are sent.
FORM_SIZE_MAX = 16_384
FORM_FIELDS_MAX = 32
FORM_TIMEOUT_S = 10.0

# Passwords are stretched one at a time, some hundred ms each; so many may wait for their turn.
LOGINS_WAITING_MAX = 8

# Rows of the safety list on the desk, who needs help first; a search finds the others.
SAFETY_ROWS_MAX = 100
