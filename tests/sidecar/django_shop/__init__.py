"""A Django application in two releases, which knows nothing of livecollections."""
