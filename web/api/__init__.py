"""The Platform API v3 as Heroku's CLI speaks it (https://devcenter.heroku.com/articles/platform-api-reference)."""
