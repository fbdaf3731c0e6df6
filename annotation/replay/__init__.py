"""Real people's published feedback, answered again through HTTP as their pseudonymous labelers."""
