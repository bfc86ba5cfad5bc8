"""How good expected times are: on simulated clinic days, and on a clinic's own log. The server imports none of this."""
