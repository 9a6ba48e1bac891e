"""What the panel and its launcher share of a machine: packet rules, file descriptors, the protocol between them. Standard library only."""
