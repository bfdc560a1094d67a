"""What the world does to the sensors: ground, bridge, river, slope, home, or a recording of it.

A signal is any object with `sample(t_us)`: the value at world time t_us (microseconds since the
world began, any integer, in any order), in SI units; a float, or a tuple of three for the axes of
an accelerometer. A signal is a pure function of time and of the seed it was made with: it holds
no state that a reader could see, so that every chip may ask at its own instants. It carries no
measuring noise; that belongs to the chip.
"""
