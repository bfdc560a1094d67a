"""Strong motion: intensity, long-period class, onset; numpy in, plain numbers out."""
