"""The hardware port: the one thin face between the agent and what it runs on.

Three bodies wear it: MicroPython's `machine`, Linux through Adafruit Blinka, and the simulated
board. All are duck-typed; the agent is given one where it starts. Numbers of buses and pins are
the board's own.

    board.i2c(bus)                            -> I2C
        writeto(addr, buf)                    write the bytes
        readfrom_into(addr, buf)              fill buf
        readfrom_mem_into(addr, register, buf)   write the register's number, then fill buf
        writeto_mem(addr, register, buf)      write the register's number and the bytes
                                              no acknowledge: OSError ENODEV (19); stuck bus:
                                              OSError ETIMEDOUT (110)
    board.spi(bus, cs, baudrate, mode)        -> device
        transfer(out, into)                   full duplex, equal lengths, chip select low;
                                              out and into may be the same buffer
    board.uart(number, baudrate)              -> UART
        read_into(buf) -> count               does not wait; 0 when nothing came
        write(buf)
    board.pin(number, mode, pull)             -> Pin; mode "in"/"out", pull "up"/"down"/"none"
        value() -> 0/1; set(value)
    board.pulses(number, pull, debounce_us)   -> Pulses; counts falling edges, by interrupt
        count() -> int                        since the first call for that pin in this boot: who
                                              asks for the pin again gets the same counter. An
                                              edge sooner than debounce_us after the one before
                                              it, counted or not, is a bounce
    board.wake_at(number, pull) -> bool       from now on every change of that pin's level sets the
                                              waker; False: this board cannot
    board.waker                               await wait() until set() was called, even before;
                                              None where the board has none
    board.onewire(number)                     -> 1-Wire bus on a pin; OSError ENODEV where there is
                                              none, with a remedy as its second argument
        reset() -> bool                       whether somebody is present
        write(buf); read_into(buf)            bytes, least bit first
        search() -> list of bytes             the addresses (8 bytes) of all on the bus
    board.shift_in(data, clock)               -> ShiftIn (agent/hal/shift_in.py) on two pins, data
                                              an input with pull-up, clock an output at rest low
        data() -> 0/1; rest(level)            level of the data pin; leave the clock pin so
        read(pulses) -> int                   the bits, first one highest; -1 where a pulse was
                                              over 50 us, so that the chip may be off
    board.pwm(number, rate_mhz)               square wave on a pin, rate in millihertz; 0 ends it
    board.adc(number)                         -> ADC; read_u16() -> 0..65535
    board.flash()                             -> Flash
        sector_size, sector_count
        read_into(offset, buf)
        program(offset, data)                 NOR: only clears bits, 1 -> 0
        erase(sector)                         every byte 0xFF
        sync()                                return once all before it would survive a power cut
    board.slots() -> list of Flash        the two slots for images, or none; None where the agent
                                          is updated by its own package
    board.clock.now_us() -> int               microseconds of this boot, 64 bit, never wraps
    board.clock.sleep_us(duration_us)         holds the processor: for the few ms of a self-test
    board.watchdog() -> Watchdog          None where nobody restarts the board. From now on,
        feed()                                once in 8 s, or it does
    board.network(wifi) -> Network        joins; wifi: the checked table of config.json, or None.
        is_up(); reset()                      None where the system looks after its own
    board.reset()                             does not return
    board.reset_cause                         "power_on", "software", "watchdog", ...
    board.unique_id                           bytes, the same at every boot
    board.random(n) -> bytes                  fit for keys on real bodies
    await board.connect(host, port)           -> stream; OSError where that fails
        await read(n) -> bytes                b"" at the end
        write(data); await drain(); close()
"""
