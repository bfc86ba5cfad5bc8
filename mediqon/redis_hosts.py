"""REDIS_URL names one server, or several hosts of one Redis Cluster: `redis://:password@one:6379,two:6379`."""

from urllib.parse import urlsplit


def each_host(url: str) -> list[str]:
    """The same URL for each host it names. A unix socket's has one."""
    credentials, at, hosts = urlsplit(url).netloc.rpartition("@")
    if "," not in hosts:
        return [url]
    return [urlsplit(url)._replace(netloc=f"{credentials}{at}{host}").geturl() for host in hosts.split(",")]


def is_sound(url: str) -> bool:
    """Whether it is one of redis-py's, each of several hosts has a name, and each port is a number."""
    if not url.startswith(("redis://", "rediss://", "unix://")):
        return False
    try:
        hosts = [urlsplit(host) for host in each_host(url)]
        ports = [host.port for host in hosts]
    except ValueError:
        return False
    if any(" " in (host.hostname or "") or ("," in host.path and host.scheme != "unix") for host in hosts):
        return False
    return 0 not in ports and (len(hosts) == 1 or all(host.hostname for host in hosts))


def is_cluster(url: str) -> bool:
    """Whether several hosts are named."""
    return len(each_host(url)) > 1


def at(url: str, host: str, port: int) -> str:
    """The URL of another server of the same cluster, with the same credentials."""
    credentials, sign, _ = urlsplit(url).netloc.rpartition("@")
    address = f"[{host}]" if ":" in host else host
    return urlsplit(url)._replace(netloc=f"{credentials}{sign}{address}:{port}").geturl()
