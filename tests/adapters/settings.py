"""From `reconcile show settings --output json` to the shape in which the recorded environments are compared.

usage: settings.py RECONCILE ENVIRONMENT_DIR
"""

import json
import subprocess
import sys

program, directory = sys.argv[1:]
answer = subprocess.run([program, "-e", directory, "show", "settings", "--output", "json"], stdout=subprocess.PIPE)
if answer.returncode:
    sys.stderr.buffer.write(answer.stdout)
    sys.exit(answer.returncode)
document = json.loads(answer.stdout)
value = {key: one["value"] for key, one in document["settings"].items()}


def shape(name, keys, **more):
    own = document["datastores"][name]
    return {key: own[key] for key in keys} | more


def recorded(one, *names):
    """What was recorded on a host of these datastores: nothing where there is none."""
    return one if any(document["datastores"][name]["hosts"] for name in names) else None


KEPT = ["bucket", "days", "dir", "enabled", "hosts", "hourly", "hours", "s3", "source_dir", "weeks"]
nadir = value["nadir_hour"]
postgresql = shape("postgresql", ["bucket", "days", "dir", "hosts", "hourly", "hours", "s3", "weeks"])
elasticsearch = document["datastores"]["elasticsearch"]
blobdb = document["datastores"]["blobdb"]
print(
    json.dumps(
        {
            "deploy_env": document["environment"],
            "postgres": recorded(
                postgresql
                | {
                    "method": document["datastores"]["postgresql"]["method"] or False,
                    "aws_versioning_enabled": value["aws_versioning_enabled"],
                    "check_s3_backups_email": value["check_s3_backups_email"],
                    "configured_but_no_host_in_pg_backup_group": "no-host" in document["datastores"]["postgresql"]["problems"],
                    "nadir_hour": nadir,
                    "nadir_hour_frequency": value["nadir_hour_frequency"],
                },
                *document["datastores"],
            ),
            "couch": recorded(shape("couchdb", KEPT, nadir_hour=nadir), "couchdb"),
            "blobdb": recorded(
                shape("blobdb", KEPT, nadir_hour=nadir, user=blobdb["user"], enabled_but_no_host="no-host" in blobdb["problems"]),
                *document["datastores"],
            ),
            "elasticsearch": recorded(
                {
                    "bucket": elasticsearch["bucket"],
                    "data_dir": elasticsearch["source_dir"],
                    "local_repo": value["es_local_repo"],
                    "repository_name": value["es_repository_name"],
                    "s3": elasticsearch["s3"],
                    "snapshot_host": (elasticsearch["hosts"] or [None])[0],
                    "snapshot_hour": (nadir + 4) % 24,
                    # reconcile knows no repository in Swift.
                    "swift": False,
                },
                "elasticsearch",
            ),
        }
    )
)
