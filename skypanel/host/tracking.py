"""What the kernel may keep of a sandbox's connections: it has one table of them for the whole machine. Pure."""

# Of 262,144 entries that machines have by default.
MAX_CONNECTIONS = 4096
# Chains of a table: `bounded` is for what a sandbox begins, `refuse` is how it is told. Entries go again soon: those of an
# answer by UDP that does not come, and those of a connection that has been closed.
CHAINS = f"""\
  ct timeout brief_udp {{
    protocol udp
    l3proto ip
    policy = {{ unreplied : 10, replied : 60 }}
  }}
  ct timeout brief_tcp {{
    protocol tcp
    l3proto ip
    policy = {{ syn_sent : 30, syn_recv : 30, fin_wait : 30, close_wait : 60, last_ack : 30, time_wait : 10, close : 10 }}
  }}
  set connections {{
    type ipv4_addr
    size 65535
    flags dynamic
  }}
  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }}
  chain bounded {{
    ct state new add @connections {{ ip saddr ct count over {MAX_CONNECTIONS} }} goto refuse
    meta l4proto udp ct timeout set "brief_udp"
    meta l4proto tcp ct timeout set "brief_tcp"
  }}
"""
