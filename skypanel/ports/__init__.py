"""What the product needs from the outside world; drivers fill these in, fakes stand in for them.

No port raises a vendor's error: what can go wrong is one of `skypanel.domain.errors`.
"""
