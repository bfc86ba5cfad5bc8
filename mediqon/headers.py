"""What every answer says to browsers, whatever it is: pages, JSON, refusals, and what is no HTTP at all.

The server adds them (`worker.configuration`), because the application never sees some of what is answered.
"""

from mediqon.settings import Settings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PERMISSIONS = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi"),
    *("payment", "usb"),
)
"""What no page of ours asks a browser for, as far as browsers know these words: they complain about others."""
YEAR_SECONDS = 365 * 24 * 3600
ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in PERMISSIONS),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def security_headers(settings: Settings) -> list[tuple[str, str]]:
    """With Strict-Transport-Security where people reach us over TLS: MEDIQON_PUBLIC_URL says so."""
    return [*ALWAYS.items(), *([("Strict-Transport-Security", f"max-age={YEAR_SECONDS}")] if settings.over_tls else [])]
