"""What a structure's readings say of it: pure computing, given numbers and no more."""
