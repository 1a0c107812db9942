"""A provider and a hook for OpenFeature's SDK (pip install openfeature-sdk).

    from openfeature import api
    from cohort_client.openfeature import CohortProvider

    api.set_provider(CohortProvider("http://127.0.0.1:8440", key))
    api.get_client().get_string_value("checkout_cta", "Buy now", EvaluationContext("c-17", {"country": "DE"}))
    api.get_client().track("purchase", EvaluationContext("c-17"), TrackingEventDetails(12.5))
    api.shutdown()          # drains

An evaluation through it is an exposure, unless the experiment says `reported`; ExposureHook reports those.
"""
from __future__ import annotations

import asyncio
from collections import OrderedDict
from threading import Lock
from typing import Any, Dict, List, Mapping, NoReturn, Optional, Tuple, Union

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import (ErrorCode, FlagNotFoundError, GeneralError, InvalidContextError, OpenFeatureError, ParseError,
                                   TargetingKeyMissingError, TypeMismatchError)
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagResolutionDetails, Reason
from openfeature.hook import Hook, HookContext
from openfeature.provider import AbstractProvider, Metadata

from ._say import logger
from .client import Client
from .details import Details, from_answer

_ERRORS = {"FLAG_NOT_FOUND": FlagNotFoundError, "TYPE_MISMATCH": TypeMismatchError, "PARSE_ERROR": ParseError,
           "TARGETING_KEY_MISSING": TargetingKeyMissingError, "INVALID_CONTEXT": InvalidContextError, "GENERAL": GeneralError}


def _raise(code: str, message: Optional[str]) -> NoReturn:
    if code in _ERRORS:
        raise _ERRORS[code](message)
    raise OpenFeatureError(ErrorCode.GENERAL, f"{code}: {message}")


def _reason(text: str) -> Union[str, Reason]:
    return Reason[text] if text in Reason.__members__ else text


def _resolution(d: Details[Any]) -> FlagResolutionDetails[Any]:
    if d.error_code:
        _raise(d.error_code, d.error_message)
    metadata = {k: v for k, v in d.metadata.items() if isinstance(v, (bool, int, float, str))}
    return FlagResolutionDetails(value=d.value, reason=_reason(d.reason), variant=d.variant, flag_metadata=metadata)


def _parts(context: Optional[EvaluationContext]) -> Tuple[Optional[str], Optional[Mapping[str, Any]]]:
    return (context.targeting_key or None, context.attributes) if context else (None, None)


class CohortProvider(AbstractProvider):
    """Takes what Client takes; or a Client of yours, which stays yours to close.

    flag_metadata has what cohortd says of a decision: decisionId, reason, experiment, phase, propensity, inclusion.
    """

    def __init__(self, base_url: Optional[str] = None, key: Optional[str] = None, *, client: Optional[Client] = None, **options: Any) -> None:
        super().__init__()
        if client is None and (base_url is None or key is None):
            raise ValueError("CohortProvider needs a base_url and a key, or a client")
        self._own = client is None
        self.client = client or Client(base_url or "", key or "", **options)

    def get_metadata(self) -> Metadata:
        return Metadata(name="cohortd")

    def get_provider_hooks(self) -> List[Hook]:
        return []

    def shutdown(self) -> None:
        if self._own:
            self.client.close()

    def _resolve(self, flag_key: str, default_value: Any, evaluation_context: Optional[EvaluationContext] = None) -> FlagResolutionDetails[Any]:
        return _resolution(self.client.details(flag_key, default_value, *_parts(evaluation_context)))

    async def _resolve_async(self, flag_key: str, default_value: Any,
                             evaluation_context: Optional[EvaluationContext] = None) -> FlagResolutionDetails[Any]:
        return await asyncio.get_running_loop().run_in_executor(None, self._resolve, flag_key, default_value, evaluation_context)

    resolve_boolean_details = resolve_string_details = resolve_integer_details = _resolve
    resolve_float_details = resolve_object_details = _resolve
    resolve_boolean_details_async = resolve_string_details_async = resolve_integer_details_async = _resolve_async
    resolve_float_details_async = resolve_object_details_async = _resolve_async

    def track(self, tracking_event_name: str, evaluation_context: Optional[EvaluationContext] = None,
              tracking_event_details: Any = None) -> None:
        """An outcome of the context's user. Plain attributes of the details go with it; what can't be an event is logged."""
        key, _ = _parts(evaluation_context)
        value = getattr(tracking_event_details, "value", None)
        attributes = {k: v for k, v in (getattr(tracking_event_details, "attributes", None) or {}).items()
                      if isinstance(v, (bool, int, float, str))}
        try:
            self.client.track(tracking_event_name, key, value, attributes=attributes)
        except (ValueError, TypeError, RuntimeError) as e:
            logger.warning("%s was not tracked: %s", tracking_event_name, e)


class ExposureHook(Hook):
    """Reports a decision as an exposure when its value is handed out: for experiments whose exposure is `reported`, and for values
    that a provider took from a prefetch. Works with any provider that passes cohortd's metadata on. Once for each unit,
    experiment, phase and variant among the last `remember` of them."""

    def __init__(self, client: Client, remember: int = 10000) -> None:
        self._client, self._remember = client, remember
        self._seen: "OrderedDict[Tuple[object, ...], None]" = OrderedDict()
        self._lock = Lock()

    def _first(self, what: Tuple[object, ...]) -> bool:
        with self._lock:
            new = what not in self._seen
            self._seen[what] = None
            self._seen.move_to_end(what)
            while len(self._seen) > self._remember:
                self._seen.popitem(last=False)
            return new

    def after(self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: Mapping[str, Any]) -> None:
        context = hook_context.evaluation_context
        if details.error_code or not context or not context.targeting_key:
            return
        answer: Dict[str, Any] = {"value": details.value, "variant": details.variant, "metadata": dict(details.flag_metadata)}
        d = from_answer(details.flag_key, answer, None)
        unit = context.attributes.get(d.metadata.get("unitType", ""), context.targeting_key)
        if self._first((unit if isinstance(unit, str) else None, d.experiment, d.phase, d.variant, d.metadata.get("holdouts"))):
            self._client.expose(d, context.targeting_key, context.attributes)
