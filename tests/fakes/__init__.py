"""Fakes of the ports. Each passes the contract tests of its port."""
