"""The agent of a node: reports the node's state, stages slugs, stops dynos, delivers their output.

It is copied to nodes as a folder, with the few modules that it shares with the panel (`flow/agent_bundle.py`). It needs only the node's
own Python (3.9 or newer), Docker's socket and zstd.
"""
