"""Client of cohortd: decisions, exposures and outcomes.

    from cohort_client import Client

    with Client("http://127.0.0.1:8440", key) as client:
        text = client.value("checkout_cta", "Buy now", "c-17", {"country": "DE"})
        client.track("purchase", "c-17", value=12.5)

AsyncClient is the same for asyncio; cohort_client.openfeature is a provider for OpenFeature's SDK; cohort_client.hashing
recomputes assignments. Only the standard library is needed.
"""
from .aio import AsyncClient, AsyncFlags
from .client import Client, Stats
from .details import Details
from .flags import Flags

__all__ = ["AsyncClient", "AsyncFlags", "Client", "Details", "Flags", "Stats"]
