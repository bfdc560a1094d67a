"""Store -> platforms: one file for each kind of uplink, one durable cursor each."""
