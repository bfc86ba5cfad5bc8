"""Figures for the monitoring."""

from litestar import MediaType, get
from litestar.response import Response

from mediqon import metrics


@get("/metrics", tags=["health"], sync_to_thread=True, media_type=MediaType.TEXT)
def tell_metrics() -> Response[bytes]:
    """What this server has done since it started, all its processes together, as Prometheus text."""
    return Response(metrics.exposition(), media_type=metrics.MEDIA_TYPE)


ROUTES = [tell_metrics]
