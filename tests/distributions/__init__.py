"""`make lab` on other distributions, by a user who is not root: `make test-distributions`."""
