"""The hub of a town hall: takes frames in, keeps them, relays them, warns and shows."""
