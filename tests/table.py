"""The status table of the contract, once more and by hand: to, from, who."""

STAFF, DESK_OR_OWNER = {"doctor", "hospital"}, {"hospital", "patient"}
TABLE: dict[str, dict[str, set[str]]] = {
    "CHECKED_IN": {"BOOKED": {"doctor", "hospital", "patient"}, "ON_HOLD": STAFF, "NO_SHOW": STAFF},
    "CALLED": {"CHECKED_IN": STAFF, "ON_HOLD": STAFF},
    "IN_CONSULTATION": {"CALLED": {"doctor"}},
    "ON_HOLD": {"CHECKED_IN": STAFF, "CALLED": STAFF, "IN_CONSULTATION": STAFF},
    "COMPLETED": {"CHECKED_IN": {"doctor"}, "CALLED": {"doctor"}, "IN_CONSULTATION": {"doctor"}},
    "NO_SHOW": {"BOOKED": STAFF, "CHECKED_IN": STAFF, "CALLED": STAFF, "ON_HOLD": STAFF},
    "CANCELLED": {"BOOKED": DESK_OR_OWNER, "CHECKED_IN": DESK_OR_OWNER, "ON_HOLD": DESK_OR_OWNER},
}


def allowed(start: str, role: str) -> set[str]:
    """Where this role may take a visit that is at `start`."""
    return {to for to, cells in TABLE.items() if role in cells.get(start, ())}


def ever(to: str, role: str) -> bool:
    """Whether this role may bring any visit there at all."""
    return any(role in roles for roles in TABLE[to].values())
