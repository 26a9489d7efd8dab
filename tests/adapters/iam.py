"""Answers cases of IAM decisions with `reconcile audit explain`: python3 iam.py PROGRAM.

Reads one case, a list of them, or a whole account with requests, on standard input; prints {"decision": "allow" |
"deny"}, a list of these with the cases' ids, or {"decisions": [..]} in the order of the requests. What is not certainly
allowed is no permission: a case knows two answers.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

program = sys.argv[1:]


def explained(requests, *options):
    """The decisions on requests, in their order."""
    command = [*program, "audit", "explain", "--request", "-", "--output", "json", *options]
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


def bucket(arn):
    """The bucket that an ARN is of, or None."""
    kind, _, rest = arn.partition(":s3:::")
    return rest.split("/")[0] if kind.startswith("arn:") and rest else None


def judged(account):
    """The answers on an account, which is written as an export of it."""
    with tempfile.TemporaryDirectory() as export:
        export = pathlib.Path(export)
        (export / "authorization-details.json").write_text(json.dumps(account["gaad"]))
        (export / "bucket-policies").mkdir()
        named = {name for name in (bucket(asked["resource"]) for asked in account["requests"]) if name}
        policies = {**dict.fromkeys(named), **(account.get("bucket_policies") or {})}
        for name, policy in policies.items():
            (export / "bucket-policies" / f"{name}.json").write_text(json.dumps(policy))
        requests = [{"context": account.get("context") or {}, **asked} for asked in account["requests"]]
        words = explained(requests, "--account-export", export)
    return {"decisions": ["allow" if word == "allowed" else "deny" for word in words]}


asked = json.load(sys.stdin)
if isinstance(asked, list):
    answer = decided(asked)
elif "gaad" in asked:
    answer = judged(asked)
else:
    answer = decided([asked])[0]
print(json.dumps(answer))
