"""What runs on every node: tells the panel how the node is, stages slugs, stops dynos, delivers what they print.

It is copied to nodes as a folder, with the few modules that it shares with the panel (`flow/agent_bundle.py`), and needs
nothing but their own Python (3.9 or newer), Docker's socket and zstd.
"""
