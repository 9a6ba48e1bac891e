"""Contract tests of the ports. Every driver and every fake must pass those of its port."""
