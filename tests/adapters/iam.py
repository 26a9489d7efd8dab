"""Answers cases of IAM decisions with `reconcile audit explain --request`: python3 iam.py PROGRAM.

Reads one case, or a list of them, on standard input; prints {"decision": "allow" | "deny"}, or a list of these with the
cases' ids. What is not certainly allowed is no permission: a case knows two answers.
"""

import json
import subprocess
import sys

program = sys.argv[1:]


def explained(requests):
    """The decisions on requests, in their order."""
    command = [*program, "audit", "explain", "--request", "-", "--output", "json"]
    done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return [answer["decision"] for answer in json.loads(done.stdout)]


def request(case):
    """A case as a request: what is asked stands beside the policies."""
    policies = ("identity_policies", "permissions_boundary", "resource_policy", "session_policy", "scps")
    return {**case["request"], **{name: case[name] for name in policies if case.get(name) is not None}}


def decided(cases):
    """Each case's answer, with its id."""
    words = explained([request(case) for case in cases])
    return [
        {"id": case.get("id"), "decision": "allow" if word == "allowed" else "deny"}
        for case, word in zip(cases, words, strict=True)
    ]


asked = json.load(sys.stdin)
if isinstance(asked, list):
    answer = decided(asked)
elif "gaad" in asked:
    sys.exit("whole accounts are not answered here")
else:
    answer = decided([asked])[0]
print(json.dumps(answer))
