"""Unitree's request-and-response services over DDS: the caller's and the robot's side.

A service ``x`` is a pair of topics, ``rt/api/x/request`` and ``rt/api/x/response``; the request names an
operation by number and has JSON as its parameter, the response a code (0: done) and JSON.
"""

import time
from collections.abc import Callable
from typing import Any

from ros2_rl.unitree.dds import Link
from ros2_rl.unitree.idl import (
    Request_,
    RequestHeader_,
    RequestIdentity_,
    RequestLease_,
    RequestPolicy_,
    Response_,
    ResponseHeader_,
    ResponseStatus_,
)

MOTION_SWITCHER, SPORT = "motion_switcher", "sport"
CHECK_MODE, SELECT_MODE, RELEASE_MODE = 1001, 1002, 1003
"""Operations of the motion switcher."""
DAMP, BALANCE_STAND, STAND_UP, STAND_DOWN, RECOVERY_STAND = 1001, 1002, 1004, 1005, 1006
"""Operations of the sport service."""
API_VERSION = 1
"""Operation of every service."""
TIMED_OUT, NOT_IMPLEMENTED, BAD_PARAMETER = 3104, 3203, 3204
"""Codes; the first is the caller's own."""

_NO_BYTES: Any = ()
Answer = tuple[int, str]
"""Code and JSON."""
Call = Callable[[int, str], Answer]
"""An operation's number and parameter to its answer."""


class Client:
    """Calls one service, one call at a time."""

    def __init__(self, link: Link, service: str, timeout_s: float = 2.0):
        self._requests = link.writer(f"rt/api/{service}/request", Request_)
        self._responses = link.reader(f"rt/api/{service}/response", Response_, reliable=True)
        self._timeout_s = timeout_s

    def __call__(self, api_id: int, parameter: str = "{}") -> Answer:
        """The answer; ``TIMED_OUT`` when there is none in time."""
        end = time.monotonic() + self._timeout_s
        while not self._responses.writers and time.monotonic() < end:
            time.sleep(0.02)
        identity = RequestIdentity_(time.monotonic_ns(), api_id)
        header = RequestHeader_(identity, RequestLease_(0), RequestPolicy_(0, False))
        self._requests.write(Request_(header, parameter, _NO_BYTES))
        while (left := end - time.monotonic()) > 0:
            for response in self._responses.wait(left):
                if response.header.identity.id == identity.id:
                    return response.header.status.code, response.data
        return TIMED_OUT, ""


class Server:
    """Answers the requests of one service."""

    def __init__(self, link: Link, service: str, call: Call):
        self._requests = link.reader(f"rt/api/{service}/request", Request_, reliable=True)
        self._responses = link.writer(f"rt/api/{service}/response", Response_)
        self._call = call

    def serve(self) -> None:
        """Answer what has come since."""
        for request in self._requests.take():
            header = request.header
            code, data = self._call(header.identity.api_id, request.parameter)
            if not header.policy.noreply:
                status = ResponseHeader_(header.identity, ResponseStatus_(code))
                self._responses.write(Response_(status, data, _NO_BYTES))
