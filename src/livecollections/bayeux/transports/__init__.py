"""The ways in which messages travel: each gives the engine a link (``session.Link``)."""
