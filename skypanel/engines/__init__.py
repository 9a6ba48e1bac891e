"""Ways to build and run apps: `embedded` and `swarm`, named as SKYPANEL_ENGINE says, put the drivers of one together each.

They are imported only where they are chosen, as their vendors' libraries take memory. The other modules have what is opened
of an engine without a panel.
"""
