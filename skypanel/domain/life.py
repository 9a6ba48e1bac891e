"""How long what an account holds lasts: each is in the database by its digest, with the time at which it expires."""

from datetime import timedelta

LOGIN_LINK_LIFE = timedelta(hours=24)  # of an invitation too
SESSION_LIFE = timedelta(days=14)
UPLOAD_LIFE = timedelta(hours=1)
