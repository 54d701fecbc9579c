"""What a person should know before a run: the machine, the network, the clock, the versions."""
