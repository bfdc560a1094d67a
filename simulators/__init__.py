"""Stand-ins for what Hinomi cannot have on a desk: chips, boards, networks, the world itself."""
