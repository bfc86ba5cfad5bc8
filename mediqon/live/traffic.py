"""What the live engine counts of itself: plain numbers, because millions of frames a minute pass here."""


class Traffic:
    """Of one process, since it started. Copied into the metrics once a second; adding to it costs nothing."""

    def __init__(self) -> None:
        self._told = (0, 0, 0, 0)
        self.sockets = 0
        """Open now."""
        self.frames_sent = 0
        self.frames_skipped = 0
        """Replaced by a newer one before the client took them."""
        self.polls = 0
        """Public reads answered in front of the application, which are not among its requests."""
        self.repairs = 0
        """Days that the version sweep had to read anew, because no message told of their change."""

    def news(self) -> tuple[int, int, int, int]:
        """Frames sent and skipped, polls and repairs since this was last asked."""
        sent, skipped, polls, repairs = self._told
        self._told = (self.frames_sent, self.frames_skipped, self.polls, self.repairs)
        return self.frames_sent - sent, self.frames_skipped - skipped, self.polls - polls, self.repairs - repairs


TRAFFIC = Traffic()
