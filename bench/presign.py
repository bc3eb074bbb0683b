"""Signed requests for the load generator: a pool of distinct bodies, signed once by botocore, replayed by wrk within the 5 min skew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_SCRIPT = """
local requests = {}
local at = 0
function init(args)
  for line in io.lines(%(pool)s) do
    local headers = {}
    local fields = {}
    for field in string.gmatch(line, "[^\\t]+") do fields[#fields + 1] = field end
    headers["Content-Type"] = "application/x-amz-json-1.1"
    headers["X-Amz-Target"] = fields[1]
    headers["X-Amz-Date"] = fields[2]
    headers["Authorization"] = fields[3]
    requests[#requests + 1] = wrk.format("POST", "/", headers, fields[4])
  end
  math.randomseed(os.time())
  at = math.random(#requests)
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
local failures = 0
function response(status)
  if status ~= 200 then failures = failures + 1 end
end
function done(summary, latency, _)
  local times = {}
  for index = 1, #latency do
    local value, count = latency(index)
    times[index] = string.format("[%%d, %%d]", value, count)
  end
  io.write(string.format("RESULT {\\"requests\\": %%d, \\"microseconds\\": %%d, \\"times\\": [%%s], \\"not200\\": %%d, \\"socket\\": %%d}\\n",
    summary.requests, summary.duration, table.concat(times, ", "), summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


def write_script(
    folder: Path, name: str, endpoint: str, credentials: Credentials, calls: list[tuple[str, dict[str, Any]]]
) -> Path:
    """A wrk script that sends `calls` (operation, JSON parameters) round and round, and prints one RESULT line of JSON.

    `times` in it are wrk's [microseconds, requests], see bench.latency."""
    pool = folder / f"{name}.pool"
    with open(pool, "w") as file:
        for operation, parameters in calls:
            request = AWSRequest(
                "POST",
                endpoint + "/",
                data=json.dumps(parameters),
                headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{operation}"},
            )
            SigV4Auth(credentials, "kms", "us-east-1").add_auth(request)
            headers = request.headers
            file.write(
                "\t".join([headers["X-Amz-Target"], headers["X-Amz-Date"], headers["Authorization"], request.data])
                + "\n"
            )
    script = folder / f"{name}.lua"
    script.write_text(_SCRIPT % {"pool": json.dumps(str(pool))})
    return script
