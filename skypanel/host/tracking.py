"""Limits for a sandbox in the kernel's connection tracking table, which the whole machine shares. Pure."""

# By default, machines have 262,144 entries.
MAX_CONNECTIONS = 4096
# Chains of a table: `bounded` limits the connections that a sandbox starts, `refuse` answers it. Short timeouts free the
# entries of closed connections and of UDP requests without an answer.
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
