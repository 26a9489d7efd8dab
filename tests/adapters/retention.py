"""From {"timestamps": [...], "policy": {...}} on standard input to {"kept": [...]}, by `reconcile retention`.

usage: retention.py RECONCILE
"""

import json
import subprocess
import sys

case = json.load(sys.stdin)
policy = ",".join(f"{rule}={count}" for rule, count in case["policy"].items())
answer = subprocess.run(
    [sys.argv[1], "retention", policy, "--output", "json"],
    input="\n".join(case["timestamps"]),
    stdout=subprocess.PIPE,
    text=True,
)
if answer.returncode:
    sys.exit(answer.returncode)
document = json.loads(answer.stdout)
print(json.dumps({"kept": [one["timestamp"] for one in document["kept"]]}))
