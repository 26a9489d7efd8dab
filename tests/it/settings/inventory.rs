//! Inventories against Ansible itself: the same groups, members, order and variables as `ansible-inventory` says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use reconcile::settings::{Connection, Inventory, Origin};
use reconcile::vocab::Value;

use super::folder::{Folder, loaded};
use crate::support::ansible;

/// Files of an environment by their paths.
type Files<'a> = &'a [(&'a str, &'a str)];

/// What Ansible says of the inventory; `None` where it refuses it.
fn ansible(program: &Path, folder: &Path, inventory: &str) -> Option<serde_json::Value> {
    let config = folder.join("ansible.cfg");
    std::fs::write(&config, "").expect("written");
    let output = Command::new(program)
        .args(["--list", "-i", inventory])
        .current_dir(folder)
        .env("ANSIBLE_CONFIG", config)
        .env("ANSIBLE_INVENTORY_UNPARSED_FAILED", "true")
        .env("ANSIBLE_HOME", folder.join("home"))
        .stdin(Stdio::null())
        .output()
        .expect("ansible-inventory runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || errors.contains("No inventory was parsed"), "{errors}");
    output.status.success().then(|| bare(serde_json::from_slice(&output.stdout).expect("JSON")))
}

/// Without the marks of texts that Ansible does not evaluate.
fn bare(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match json {
        Json::Object(mut map) => match map.remove("__ansible_unsafe") {
            Some(text) => text,
            None => Json::Object(map.into_iter().map(|(key, value)| (key, bare(value))).collect()),
        },
        Json::Array(items) => Json::Array(items.into_iter().map(bare).collect()),
        other => other,
    }
}

/// Members of every group, those of its children included. Groups without any are not in Ansible's answer.
fn members(answer: &serde_json::Value) -> BTreeMap<String, BTreeSet<String>> {
    fn add(answer: &serde_json::Value, group: &str, found: &mut BTreeSet<String>) {
        let words = |list: &str| answer[group][list].as_array().cloned().unwrap_or_default();
        found.extend(words("hosts").iter().map(|host| host.as_str().expect("a host").to_owned()));
        for child in words("children") {
            add(answer, child.as_str().expect("a group"), found);
        }
    }
    let names = answer.as_object().expect("groups").keys().filter(|name| *name != "_meta");
    let one = |name: &String| {
        let mut found = BTreeSet::new();
        add(answer, name, &mut found);
        (name.clone(), found)
    };
    names.map(one).filter(|(_, hosts)| !hosts.is_empty()).collect()
}

fn our_members(inventory: &Inventory) -> BTreeMap<String, BTreeSet<String>> {
    let names = |hosts: &Vec<_>| hosts.iter().map(ToString::to_string).collect();
    let groups = inventory.groups.iter().filter(|(_, hosts)| !hosts.is_empty());
    groups.map(|(group, hosts)| (group.clone(), names(hosts))).collect()
}

/// The hosts of a group that has no children, in order.
fn in_order(answer: &serde_json::Value, group: &str) -> Option<Vec<String>> {
    let own = &answer[group];
    let hosts = own["hosts"].as_array()?.iter();
    own["children"].is_null().then(|| hosts.map(|host| host.as_str().expect("a host").to_owned()).collect())
}

/// What Ansible and this program say differently of these files.
fn differences(program: &Path, files: Files<'_>) -> Vec<String> {
    let folder = Folder::new(&[("public.yml", "deploy_env: prod\n")]);
    folder.add(files);
    let Some(answer) = ansible(program, folder.path(), files[0].0) else {
        return vec!["Ansible refuses it".to_owned()];
    };
    let inventory = match folder.load() {
        Ok(settings) => settings.inventory,
        Err(problems) => return problems.list.iter().map(|problem| problem.message.clone()).collect(),
    };
    let mut found = Vec::new();
    let (ours, theirs) = (our_members(&inventory), members(&answer));
    if ours != theirs {
        found.push(format!("members: {ours:?} and not {theirs:?}"));
    }
    for (group, hosts) in &inventory.groups {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        if in_order(&answer, group).is_some_and(|expected| expected != hosts) {
            found.push(format!("order of {group}: {hosts:?}"));
        }
    }
    for (host, own) in &inventory.hosts {
        let expected = match Value::from_json(&answer["_meta"]["hostvars"][host.as_str()]) {
            Value::Map(map) => map,
            _ => BTreeMap::new(),
        };
        let ours = own.variables();
        let names: BTreeSet<&String> = ours.keys().chain(expected.keys()).collect();
        let differ = names.into_iter().filter(|name| ours.get(*name) != expected.get(*name));
        found.extend(
            differ.map(|name| {
                format!("{name} of {host}: {:?} and not {:?}", ours.get(name), expected.get(name))
            }),
        );
    }
    found
}

const INVENTORIES: &[(&str, Files<'static>)] = &[
    (
        "groups, children, variables",
        &[(
            "inventory.ini",
            "lone\n[web] # comment\nweb1 a=1 b='two words' c=\"x\\\"y\" d=e\\ f\nweb2:2222\nweb2 a=2\n\
             [web:vars]\nport = 80\nplain=some text # kept\nquoted = 'in' # dropped\nempty=\n\
             [db]\ndb[01:03] n=0x10 o=0755 f=1.50 t=True y=yes l=[1,'a',{'k':None}] tup=1,2\n\
             [db:vars]\nansible_connection=local\nspaced key=1\neq=a=b=c\n\
             [site:children]\nweb # why\ndb\n[site:vars]\nport=1\nonly=site\n[all:vars]\nonly=all\nall=1\n",
        )],
    ),
    (
        "children before their groups",
        &[(
            "inventory.ini",
            "[top:children]\nmiddle\nleaf\n[middle:children]\nleaf\nother\n[middle:vars]\nx=middle\n[top:vars]\nx=top\ny=top\n\
             [other]\no1\n[leaf]\nl1\nl2\n[leaf:vars]\ny=leaf\n",
        )],
    ),
    (
        "priority and order by name",
        &[(
            "inventory.ini",
            "[a]\nh\n[b]\nh\n[c]\nh\n[a:vars]\nansible_group_priority=10\nx=a\n[b:vars]\nx=b\ny=b\n[c:vars]\nx=c\ny=c\n",
        )],
    ),
    (
        "ranges, ports and addresses",
        &[(
            "inventory.ini",
            "[r]\na[1:5:2]b\nc[a:c][1:2]\nd[08:11].x.org:22\n[a:b]z\ne[x:B]\nf[:2]\n10.0.0.[8:9]\nfe80::1\n\
             [2001:db8::1]:2222\nunder_score-:22\nh:0\ng[5:1]\ni[9:7:-1]\nj:023\nk:22 ansible_port=33\nl\nl:44\n",
        )],
    ),
    (
        "a host called like a group, hosts in several places",
        &[(
            "inventory.ini",
            "web x=1\n[web]\nweb y=2\nother\n[ungrouped]\nother\nalone\n[all]\nbare z=1\n[empty]\n[hollow:children]\nempty\n",
        )],
    ),
    (
        "literals of Python",
        &[(
            "inventory.ini",
            "[g]\nh\n[g:vars]\na=1_000\nb=-5\nc= +7\nd=--5\ne=0o17\nf=0b11\ng=1e3\nh=.5\ni='a' \"b\"\nj=r'\\d'\nk=b'bytes'\n\
             l='it''s'\nm=(1)\nn=(1,)\no=()\np={}\nq={'a': [True, None]}\nr=[1, 2,] # c\ns=None\nt=none\nu=true\nv='open\n\
             w='\\x41\\u00e9\\101\\n\\q'\nx=2020-01-01\ny=10.0.0.1\nz=...\naa=5 days\nab=\"\"\"three\"\"\"\nac=[{{ x }}]\n\
             ad={{ x }}\nae=1,\naf=a,b\nag=00\nah=1__0\nai=- 5\naj=True # yes\nak=#no\nal=-0\nam='''a'b'''\nan=0xZ\nao=1.\n\
             ap=1.5.6\naq=10e400x\nar=[1 2]\nas='x'y\nat=not True\nau=u'u'\nav=1e5\naw='tab\\there'\n",
        )],
    ),
    (
        "words of a shell",
        &[(
            "inventory.ini",
            "[g]\nh1 a=b#c d=1\nh2 a='#' b=\"a'b\" c='a\"b'\nh3 a=\"x\\y\" b=\"x\\\\y\" c=x\\\\y d='x\\y'\nh4\ta=1\t b=2\nh5 a= b=''\n\
             h6 a='[1, 2]' b=\"{'x': 'y'}\" c=\"'quoted'\"\n'h7' a=1\nh8 a=ü\u{a0}ä\n",
        )],
    ),
    (
        "yaml",
        &[(
            "inventory.yml",
            "all:\n  vars: {v: yes, w: 'yes', n: 012, s: 1:30, f: 1.0, e: , t: \"{{ x }}\"}\n  hosts:\n    lone: {x: 1}\n    w[01:03]:\n  \
             children:\n    site:\n      children:\n        web:\n          hosts:\n            w01: {y: [1, {a: b}]}\n            w02: null\n            \
             'w03:2222': {}\n          vars: {v: web}\n        none:\n      vars: {v: site, u: site}\n    ungrouped: {hosts: {u1: }}\n\
             db:\n  hosts: d1\n  children: web\n  vars: {ansible_group_priority: 5, v: db}\nempty:\nfield: {hosts: , children: , vars: }\n",
        )],
    ),
    (
        "yaml with anchors, merges, repeated keys and what is skipped",
        &[(
            "inventory.yaml",
            "skipped: word\nweb:\n  hosts: &hosts\n    h1: &own {a: 1, b: 2}\n    h2: {<<: *own, b: 3}\n  vars: {x: 1, x: 2}\n  gosts: {h9: }\n  \
             odd: 7\ncopy:\n  hosts: *hosts\n  vars:\n    safe: !unsafe '{{ no }}'\n    text: |\n      two\n      lines\n",
        )],
    ),
    ("ini behind the ending of yaml", &[("inventory.yml", "[web]\nw1 a=1\n[web:vars]\nb=2\n")]),
    (
        "files beside the inventory",
        &[
            (
                "inventory.ini",
                "lone\n[g]\nh a=inv_h b=inv_h\n[k]\nh\n[p:children]\ng\nk\n[all:vars]\na=inv_all\nc=inv_all\nd=inv_all\ne=inv_all\nf=inv_all\n\
                 [g:vars]\nd=inv_g\ne=inv_g\nf=inv_g\n[p:vars]\ne=inv_p\nansible_group_priority=9\n",
            ),
            ("group_vars/all/10.yml", "c: all10\nf: all10\nx: {a: 1, b: 2}\n"),
            ("group_vars/all/20.yaml", "f: all20\nx: {c: 3}\n"),
            ("group_vars/all/sub/30.json", "{\"s\": [1, 2.5, null]}"),
            ("group_vars/all/sub.d/30.yml", "ignored: 1\n"),
            ("group_vars/all/.hidden.yml", "ignored: 1\n"),
            ("group_vars/all/x.yml~", "ignored: 1\n"),
            ("group_vars/all/x.txt", "ignored: 1\n"),
            ("group_vars/all.yml", "ignored: 1\n"),
            ("group_vars/g.yml", "a: gv_g\nf: gv_g\ng: gv_g\n"),
            ("group_vars/k", "f: gv_k\ng: gv_k\n"),
            ("group_vars/k.yml", "ignored: 1\n"),
            ("group_vars/p.json", "{\"g\": \"gv_p\", \"h\": \"gv_p\"}"),
            ("group_vars/ungrouped.yml", "u: 1\n"),
            ("group_vars/nobody.yml", "ignored: 1\n"),
            ("host_vars/h.yml", "b: hv\nnothing: ~\n"),
            ("host_vars/lone/a", "b: hv\n"),
            ("host_vars/other.yml", "ignored: 1\n"),
            ("group_vars/empty.yml", ""),
        ],
    ),
];

#[test]
fn ansible_says_the_same() {
    let Some(program) = ansible::program("ansible-inventory") else { return };
    let found: Vec<String> = INVENTORIES
        .iter()
        .flat_map(|(name, files)| {
            differences(&program, files).into_iter().map(move |difference| format!("{name}: {difference}"))
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_ansible_refuses_is_refused() {
    let Some(program) = ansible::program("ansible-inventory") else { return };
    let refused = [
        ("inventory.ini", "[a:children]\nb\n[b:children]\na\n"),
        ("inventory.ini", "[a:children]\nb\n"),
        ("inventory.ini", "[a:vars]\nx=1\n"),
        ("inventory.ini", "[a]\nh x\n"),
        ("inventory.ini", "[a]\nh[1:\n"),
        ("inventory.ini", "[a]\nh[c:a]\n"),
        ("inventory.ini", "[a]\nh:\n"),
        ("inventory.ini", "[a:thing]\nh\n"),
        ("inventory.ini", "[a]\n[b:children]\na x=1\n"),
        ("inventory.ini", "[a]\n[a:vars]\nansible_group_priority=x\n"),
        ("inventory.ini", "[web] ; comment\nh\n"),
        ("inventory.yml", "a: {hosts: [h]}\n"),
        ("inventory.yml", "a: {hosts: {h: 7}}\n"),
        ("inventory.yml", "a: {children: {b: 7}}\n"),
        ("inventory.yml", "a: {children: {b: {children: {a: }}}}\n"),
        ("inventory.yml", "a: {vars: {x: !include y}}\n"),
        ("inventory.yml", "a:\n\thosts:\n"),
    ];
    // One by one: what Ansible has read of a file that it refuses would make the next one good. Two at a time.
    let judge = |cases: &[(&str, &str)]| {
        for (name, text) in cases {
            let folder = Folder::new(&[("public.yml", "deploy_env: prod\n"), (name, text)]);
            assert!(folder.load().is_err(), "{text:?} is refused by Ansible");
            assert!(ansible(&program, folder.path(), name).is_none(), "Ansible takes {text:?}");
        }
    };
    let (some, others) = refused.split_at(refused.len() / 2);
    std::thread::scope(|scope| {
        scope.spawn(|| judge(some));
        judge(others);
    });
}

const SWITCHED_ON: &str = "deploy_env: prod\nbackup_postgres: plain\n";

#[test]
fn a_setting_may_come_from_any_place_and_says_from_which() {
    let folder = Folder::new(&[("public.yml", SWITCHED_ON)]);
    folder.add(&[
        ("inventory.yml", "pg_backup:\n  hosts: {db1: {disk: ssd}}\n  vars: {nadir_hour: 4}\n"),
        ("group_vars/all.yml", "root: /mnt/{{ disk }}\nencrypted_root: '{{ root }}'\n"),
        ("group_vars/pg_backup/backups.yml", "# why\npostgresql_backup_days: 9\n"),
        ("host_vars/db1.yml", "pg_backup_from: \"{{ standby | default('db2') }}\"\n"),
    ]);
    let settings = folder.load().unwrap_or_else(|problems| panic!("{:#?}", problems.list));
    let from = |key: &str| match &settings.flat[key].from {
        Origin::Written(place) => place.to_string().replace(&format!("{}/", folder.path().display()), ""),
        Origin::Default => "default".to_owned(),
    };
    assert_eq!(from("nadir_hour"), "inventory.yml:3:22");
    assert_eq!(from("encrypted_root"), "group_vars/all.yml:2:17");
    assert_eq!(from("postgresql_backup_days"), "group_vars/pg_backup/backups.yml:2:25");
    assert_eq!(settings.flat["encrypted_root"].value, Value::text("/mnt/ssd"));
    assert_eq!(settings.postgresql.backed.directory, "/mnt/ssd/backups/postgresql");
    assert_eq!(settings.postgresql.backed.keep.days, 9);
    let read_from = &settings.postgresql.read_from;
    assert_eq!(read_from[&"db1".parse().expect("a host")].as_str(), "db2");
}

#[test]
fn public_yml_outweighs_every_file_and_may_use_their_variables() {
    let folder = Folder::new(&[(
        "public.yml",
        "deploy_env: prod\nbackup_postgres: plain\npostgresql_backup_days: 3\n\
         postgresql_backup_dir: '{{ data }}/{{ inventory_hostname }}'\nansible_user: backup\n",
    )]);
    folder.add(&[
        ("inventory.ini", "[pg_backup]\ndb1 ansible_user=root\n"),
        ("group_vars/all", "data: /data\npostgresql_backup_days: 9\n"),
    ]);
    let settings = folder.load().unwrap_or_else(|problems| panic!("{:#?}", problems.list));
    assert_eq!(settings.postgresql.backed.keep.days, 3);
    assert_eq!(settings.postgresql.backed.directory, "/data/db1");
    let host = settings.inventory.hosts.values().next().expect("a host");
    assert_eq!(host.user.as_ref().map(ToString::to_string).as_deref(), Some("backup"));
}

#[test]
fn hosts_that_differ_are_told_where_the_difference_is_made() {
    let folder = Folder::new(&[(
        "public.yml",
        "deploy_env: prod\nbackup_postgres: plain\npostgresql_backup_dir: '/x/{{ disk }}'\n",
    )]);
    folder.add(&[
        ("inventory.ini", "[pg_backup]\ndb1 disk=a\ndb2 disk=b\n"),
        ("host_vars/db1.yml", "postgresql_backup_days: 5\n"),
    ]);
    insta::assert_snapshot!(folder.validated());
}

#[test]
fn how_a_host_is_reached_is_read_and_checked() {
    let inventory = "[pg_backup]\ndb1 ansible_host=10.0.0.1 ansible_port=2222 ansible_user=ubuntu \
                     ansible_ssh_private_key_file=~/.ssh/id\ndb2 ansible_ssh_host=x ansible_host=y\n\
                     here ansible_connection=local\n[docker]\nc ansible_connection=docker\n\
                     [web]\nw1 ansible_port=99999\nw2 ansible_user='{{ nobody_knows }}'\n";
    let settings = loaded(&[("public.yml", "deploy_env: prod\n"), ("inventory.ini", inventory)]);
    let host = |name: &str| &settings.inventory.hosts[&name.parse().expect("a host")];
    let db1 = host("db1");
    assert_eq!(db1.address.as_ref().map(ToString::to_string).as_deref(), Some("10.0.0.1"));
    assert_eq!((db1.port, &db1.connection), (Some(2222), &Connection::Ssh));
    assert_eq!(db1.user.as_ref().map(ToString::to_string).as_deref(), Some("ubuntu"));
    assert_eq!(db1.private_key.as_deref(), Some("~/.ssh/id"));
    assert_eq!(db1.cannot_connect, None);
    assert_eq!(host("db2").address.as_ref().map(ToString::to_string).as_deref(), Some("x"));
    assert!(host("here").is_local());
    assert_eq!(host("c").connection, Connection::Other("docker".to_owned()));
    assert!(host("c").cannot_connect.is_some());
    for name in ["w1", "w2"] {
        assert!(host(name).cannot_connect.is_some(), "{name}");
    }
    assert_eq!(settings.problems.list.len(), 2, "{:#?}", settings.problems.list);
}

#[test]
fn connections_that_cannot_be_are_told() {
    let inventory = "[pg_backup]\ndb1 ansible_host=-oProxyCommand=id\ndb2 ansible_port=0\ndb3 ansible_user='a;b'\n\
                     db4 ansible_ssh_private_key_file=-x\ndb5 ansible_host='{{ lookup(\"env\", \"X\") }}'\n";
    let folder = Folder::new(&[("public.yml", SWITCHED_ON), ("inventory.ini", inventory)]);
    insta::assert_snapshot!(folder.validated());
}

#[test]
fn a_password_beside_what_is_wrong_is_not_quoted() {
    let folder = Folder::new(&[("public.yml", SWITCHED_ON)]);
    folder.add(&[
        (
            "inventory.ini",
            "[pg_backup]\ndb1 ansible_become_pass=CANARY postgresql_backup_days=0\ndb2 ansible_password=my CANARY\n",
        ),
        ("group_vars/pg_backup.yml", "db_password: CANARY\ndb_password: CANARY2\nx: !what {secret: CANARY}\n"),
    ]);
    let text = folder.validated();
    assert!(text.contains("inventory.ini:2:") && text.contains("pg_backup.yml:2:"), "{text}");
    assert!(!text.contains("CANARY"), "{text}");
    let Ok(settings) = Folder::new(&[
        ("public.yml", "deploy_env: prod\n"),
        ("inventory.ini", "[a]\nh ansible_become_pass=CANARY\n"),
    ])
    .load() else {
        panic!("loads")
    };
    assert!(!format!("{settings:?}").contains("CANARY"));
}
