#!/usr/bin/env python3
"""OpenFeature's Python SDK against a real cohortd: our provider and hook, and the unmodified OFREP provider. Each is skipped aloud
where it is not installed (openfeature-sdk, openfeature-provider-ofrep)."""
import asyncio
import importlib.util
import sys

import bed
from cohort_server import Checks, Server, experiment

if importlib.util.find_spec("openfeature") is None:
    bed.skip("openfeature-sdk is not installed")

from openfeature import api  # noqa: E402
from openfeature.evaluation_context import EvaluationContext  # noqa: E402
from openfeature.exception import ErrorCode  # noqa: E402
from openfeature.flag_evaluation import Reason  # noqa: E402
from openfeature.track import TrackingEventDetails  # noqa: E402

from cohort_client import Client  # noqa: E402
from cohort_client.openfeature import CohortProvider, ExposureHook  # noqa: E402
from server import FLAGS, exposed  # noqa: E402


def types(c, client, name):
    ctx = EvaluationContext("c-1")
    for flag, kind, default, want in (("on", "boolean", False, True), ("price", "float", 1.0, 5.0), ("count", "integer", 1, 5),
                                      ("third", "float", 0.5, 0.30000000000000004), ("layout", "object", {}, {"a": [1, 2.0, None]}),
                                      ("greeting", "string", "", "grüß dich"), ("bare", "string", "mine", "mine")):
        got = getattr(client, f"get_{kind}_value")(flag, default, ctx)
        c.check(f"{name}: {flag} is exactly {want!r}", got == want and type(got) is type(want), repr(got))
    c.equal(f"{name}: the context decides", client.get_string_value(
        "greeting", "", EvaluationContext("c-1", {"country": "FR", "plan": {"seats": 3}})), "salut")
    d = client.get_string_details("cta", "mine", EvaluationContext("of-" + name))
    c.check(f"{name}: variant, reason and metadata", d.reason == Reason.SPLIT and d.variant in ("control", "treatment")
            and d.flag_metadata["experiment"] == "cta" and d.flag_metadata["phase"] == 1 and d.flag_metadata["propensity"] == 500000
            and len(d.flag_metadata["decisionId"]) == 36, d)
    for what, flag, context, code in (("an unknown flag", "ctaa", ctx, ErrorCode.FLAG_NOT_FOUND),
                                      ("nobody", "cta", EvaluationContext(), ErrorCode.TARGETING_KEY_MISSING),
                                      ("an id of 513 bytes", "cta", EvaluationContext("x" * 513), ErrorCode.INVALID_CONTEXT),
                                      ("a NUL", "cta", EvaluationContext("a\0b"), ErrorCode.PARSE_ERROR),
                                      ("another type", "on", ctx, ErrorCode.TYPE_MISMATCH)):
        d = client.get_string_details(flag, "mine", context)
        c.check(f"{name}: {what}: {code.value}, the default", (d.value, d.reason, d.error_code) == ("mine", Reason.ERROR, code)
                and d.error_message, d)


def ours(s, c):
    provider = CohortProvider(s.info["url"], s.keys["events"], flush_interval=0.01, **bed.PATIENT)
    api.set_provider_and_wait(provider) if hasattr(api, "set_provider_and_wait") else api.set_provider(provider)
    client = api.get_client()
    bed.until(lambda: client.get_boolean_value("on", False, EvaluationContext("w")), "the provider is ready")
    types(c, client, "ours")
    c.equal("ours: a whole number where a float is wanted", client.get_float_value("count", 0.5, EvaluationContext("c")), 5.0)
    c.equal("ours: asyncio", asyncio.run(client.get_integer_value_async("count", 1, EvaluationContext("c-1"))), 5)
    client.track("unsubscribe", EvaluationContext("of-t"), TrackingEventDetails(2.5, {"plan": "pro", "list": [1]}))
    client.track("unsubscribe", EvaluationContext())  # nobody: logged, not raised
    client.add_hooks([ExposureHook(provider.client)])
    for _ in range(3):
        value = client.get_string_details("quiet", "", EvaluationContext("of-quiet"))
    c.check("ours: events are answered", provider.client.flush(60) and provider.client.stats().rejected == 0
            and provider.client.stats().accepted == 2, provider.client.stats())
    row = s.until(lambda: s.sql("select value, trusted from cohort.outcome where unit_id = cohort.unit_id('user', 'of-t')"), "the outcome")
    c.equal("ours: track() is a trusted outcome", row, [["2500000", "t"]])
    c.equal("ours: the hook reports a use, once", s.until(lambda: exposed(s, "quiet", "of-quiet"), "the exposure"), [value.variant])
    s.until(lambda: exposed(s, "cta", "of-ours"), "an evaluation is an exposure")
    client.track("unsubscribe", EvaluationContext("of-last"))
    api.shutdown()
    s.until(lambda: s.sql("select 1 from cohort.outcome where unit_id = cohort.unit_id('user', 'of-last')"), "shutdown() drains")
    c.check("ours: shutdown() drains", provider.client.stats().queued == 0)


def unmodified(s, c):
    if not (importlib.util.find_spec("openfeature.contrib") and importlib.util.find_spec("openfeature.contrib.provider")
            and importlib.util.find_spec("openfeature.contrib.provider.ofrep") and importlib.util.find_spec("requests")):
        print("skipped: the unmodified OFREP provider: openfeature-provider-ofrep is not installed", flush=True)
        return
    from openfeature.contrib.provider.ofrep import OFREPProvider
    provider = OFREPProvider(s.info["url"], headers_factory=lambda: {"Authorization": "Bearer " + s.keys["client"]})
    api.set_provider(provider, "ofrep")
    client = api.get_client("ofrep")
    bed.until(lambda: client.get_boolean_value("on", False, EvaluationContext("w")), "the provider is ready")
    types(c, client, "unmodified")
    s.until(lambda: exposed(s, "cta", "of-unmodified"), "an evaluation is an exposure")
    with Client(s.info["url"], s.keys["client"], **bed.PATIENT) as k:
        client.add_hooks([ExposureHook(k)])
        d = client.get_string_details("quiet", "", EvaluationContext("of-hooked"))
        c.check("unmodified: with our hook a use is reported", k.flush(60) and k.stats().rejected == 0 and k.stats().accepted == 1, k.stats())
    c.equal("unmodified: and stored", s.until(lambda: exposed(s, "quiet", "of-hooked"), "the exposure"), [d.variant])


def main():
    c = Checks()
    with Server() as s:
        s.psql(FLAGS)
        for key, doc in (("cta", experiment()), ("quiet", experiment(exposure="reported", guardrails=[]))):
            s.put("/v1/experiments/" + key, doc)
            s.post(f"/v1/experiments/{key}/start")
        with Client(s.info["url"], s.keys["client"], **bed.PATIENT) as k:
            s.until(lambda: all(k.details(x, None, "w", enroll=False).reason == "SPLIT" for x in ("cta", "quiet")), "the experiments run")
        unmodified(s, c)
        ours(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
