"""Measures a server that it starts itself: `mediqon bench`. The server never imports anything from here."""
