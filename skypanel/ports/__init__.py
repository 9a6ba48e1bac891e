"""What the product needs from the outside world. Drivers implement these ports; tests use fakes.

No port raises a vendor's exception; its errors are those in `skypanel.domain.errors`.
"""
