"""Ways to build and run apps. `embedded` and `swarm` are the values of SKYPANEL_ENGINE; each assembles its drivers.

Only the chosen one is imported, because the vendors' libraries take memory. The other modules open parts of an engine
without a panel.
"""
