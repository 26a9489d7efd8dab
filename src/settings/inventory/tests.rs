//! Inventories as files, from the folder to hosts with their variables.

use super::*;

fn read_folder(files: &[(&str, &str)]) -> (Inventory, Vec<Problem>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let mut problems = Vec::new();
    let found = read(&Sources::directory(folder.path()), &mut problems);
    (found.inventory, problems)
}

fn good(files: &[(&str, &str)]) -> Inventory {
    let (inventory, problems) = read_folder(files);
    assert!(problems.is_empty(), "{problems:#?}");
    inventory
}

fn ini(text: &str) -> Inventory {
    good(&[("inventory.ini", text)])
}

fn yml(text: &str) -> Inventory {
    good(&[("inventory.yml", text)])
}

/// `LINE: message` of every problem, errors with `!`.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    let (_, problems) = read_folder(files);
    let line = |problem: &Problem| problem.place.as_ref().map_or(0, |place| place.line);
    let one = |problem: &Problem| {
        let mark = if problem.is_error() { "!" } else { "" };
        format!("{mark}{}: {}", line(problem), problem.message)
    };
    problems.iter().map(one).collect()
}

fn members(inventory: &Inventory, group: &str) -> Vec<String> {
    inventory.groups.get(group).expect("the group").iter().map(ToString::to_string).collect()
}

fn variable(inventory: &Inventory, host: &str, name: &str) -> Value {
    let host = inventory.hosts.get(&host.parse().expect("a host")).expect("known");
    host.variables().remove(name).unwrap_or(Value::Null)
}

#[test]
fn children_may_stand_in_any_order_and_depth() {
    let inventory =
        ini("[pg_backup:children]\npostgresql\n[postgresql:children]\nb\na\n[a]\nh1\n[b]\nh2\nh1\n");
    assert_eq!(members(&inventory, "pg_backup"), ["h1", "h2"], "as their sections stand");
    let inventory = ini("[a]\nh1\n[b]\nh2\nh1\n[pg_backup:children]\nb\na\n");
    assert_eq!(members(&inventory, "pg_backup"), ["h2", "h1"], "as they are listed");
    assert_eq!(members(&inventory, "all"), ["h2", "h1"]);
}

#[test]
fn a_host_without_a_section_is_ungrouped() {
    let inventory = ini("lone:2222\nboth\n[web]\nw1\nboth\n[all]\nbare\n");
    assert_eq!(members(&inventory, "ungrouped"), ["lone", "bare"]);
    assert_eq!(variable(&inventory, "lone", "ansible_port"), Value::Number(2222));
}

#[test]
fn the_nearest_variable_wins() {
    let text = "[outer:children]\ninner\n[inner]\nh b=host\n[outer:vars]\na=outer\nb=outer\nc=outer\n\
                [inner:vars]\na = 'in ner'\nb=inner\n[all:vars]\na=all\nd=7\n";
    let inventory = ini(text);
    assert_eq!(variable(&inventory, "h", "a"), Value::text("in ner"));
    assert_eq!(variable(&inventory, "h", "b"), Value::text("host"));
    assert_eq!(variable(&inventory, "h", "c"), Value::text("outer"));
    assert_eq!(variable(&inventory, "h", "d"), Value::Number(7));
}

#[test]
fn among_groups_of_one_depth_priority_decides_then_the_name() {
    let text = "[a]\nh\n[b]\nh\n[a:vars]\nx=a\ny=a\nansible_group_priority=10\n[b:vars]\nx=b\ny=b\n";
    assert_eq!(variable(&ini(text), "h", "x"), Value::text("a"));
    let text = text.replace("ansible_group_priority=10\n", "");
    assert_eq!(variable(&ini(&text), "h", "x"), Value::text("b"));
    assert_eq!(told(&[("inventory.ini", "[a]\n[a:vars]\nansible_group_priority=high\n")]).len(), 1);
}

#[test]
fn comments_quotes_and_ranges_are_read_as_ansible_reads_them() {
    let inventory = ini("# c\n; c\n[web]\nw[01:03].x.org a='b c' d=\"e\" # why\n[a:c]z\n");
    assert_eq!(members(&inventory, "web"), ["w01.x.org", "w02.x.org", "w03.x.org", "az", "bz", "cz"]);
    assert_eq!(variable(&inventory, "w02.x.org", "a"), Value::text("b c"));
    assert_eq!(variable(&inventory, "w02.x.org", "d"), Value::text("e"));
}

#[test]
fn a_line_for_a_host_that_is_called_like_a_group_speaks_of_the_group() {
    let inventory = ini("[web]\nweb x=1\nother\n");
    assert_eq!(variable(&inventory, "other", "x"), Value::Number(1));
}

#[test]
fn bytes_that_are_not_utf8_may_stand_in_ini_but_not_in_a_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let read_bytes = |bytes: &[u8]| {
        std::fs::write(folder.path().join("inventory.ini"), bytes).expect("written");
        let mut problems = Vec::new();
        (read(&Sources::directory(folder.path()), &mut problems).inventory, problems)
    };
    let (inventory, problems) = read_bytes(b"# M\xfcller\n[web]\nw1 owner=M\xfcller\n");
    assert!(problems.is_empty() && members(&inventory, "web") == ["w1"], "{problems:#?}");
    let (inventory, problems) = read_bytes(b"[pg_backup]\nM\xfcller\n");
    assert!(problems[0].is_error() && members(&inventory, "all").is_empty());
}

#[test]
fn what_ansible_would_refuse_has_a_place() {
    let messages = |text: &str| told(&[("inventory.ini", text)]);
    assert_eq!(messages("[a:children]\nb\n[b:children]\na\n"), ["!4: the group `b` would hold itself"]);
    assert_eq!(
        messages("[pg_backup:children]\npostgres\n"),
        ["!2: there is no group `postgres`, and Ansible would refuse the inventory"]
    );
    assert_eq!(messages("[a:vars]\nx=1\n").len(), 1);
    assert!(messages("[a\n")[0].starts_with("!1: "));
    assert!(messages("[a:things]\n")[0].starts_with("!1: "));
    assert!(messages("[a]\nh x\n")[0].contains("`x` is not `name=value`"));
    assert!(messages("[a]\nh x='1\n")[0].starts_with("!2: "));
    assert!(messages("[a]\nh[1:9999999]\n")[0].contains("more than"));
    assert!(messages("[a:vars]\nx\n")[0].contains("`name=value`"));
    assert!(messages("[b]\n[a:children]\nb x=1\n")[0].contains("one group"));
    assert!(messages("web:\n")[0].contains("the port behind it is missing"));
}

#[test]
fn a_name_that_cannot_be_used_matters_where_backups_run() {
    let messages = |text: &str| told(&[("inventory.ini", text)]);
    let [left_out] = &messages("[web]\n$(id)\n")[..] else { panic!("one problem") };
    assert!(left_out.starts_with("2: `$(id)` is no host") && left_out.contains("left out"));
    assert!(messages("[pg_backup]\n$(id)\n")[0].starts_with("!2: `$(id)` is no host"));
    assert!(messages("[pg_backup]\n$(id)\n[ansible_skip]\n$(id)\n")[0].starts_with("2: "));
}

#[test]
fn groups_stand_at_the_top_of_yaml_or_below_all() {
    let inventory =
        yml("all:\n  vars: {a: all, v: yes}\n  hosts:\n    lone:\n    w[1:2]: {x: 1}\n  children:\n    \
                         web:\n      hosts: {w1: , w2: null}\n      vars: {a: web}\n    empty:\n\
                         db:\n  hosts: {'d1:5433': {y: \"{{ x }}\"}}\n  children: web\n");
    assert_eq!(members(&inventory, "ungrouped"), ["lone"]);
    assert_eq!(members(&inventory, "db"), ["d1", "w1", "w2"]);
    assert_eq!(members(&inventory, "empty").len(), 0);
    assert_eq!(variable(&inventory, "w2", "x"), Value::Number(1));
    assert_eq!(variable(&inventory, "w2", "a"), Value::text("web"));
    assert_eq!(variable(&inventory, "d1", "a"), Value::text("all"));
    assert_eq!(variable(&inventory, "d1", "v"), Value::Bool(true));
    assert_eq!(variable(&inventory, "d1", "ansible_port"), Value::Number(5433));
}

#[test]
fn what_ansible_skips_in_yaml_is_a_warning_and_what_it_refuses_an_error() {
    let messages = |text: &str| told(&[("inventory.yml", text)]);
    assert!(messages("web: [a]\n")[0].starts_with("1: `web` is no group"));
    assert!(messages("web:\n  host: {a: }\n")[0].starts_with("2: a group has"));
    assert!(messages("web:\n  hosts: [a]\n")[0].starts_with("!2: `hosts` of a group must be a mapping"));
    assert!(messages("web:\n  hosts: {a: 7}\n")[0].starts_with("!2: a host's variables"));
    assert!(messages("web:\n  children: {x: [1]}\n").last().expect("told").starts_with("!2: "));
    assert!(messages("a: {children: {b: {children: {a: }}}}\n")[0].contains("would hold itself"));
    assert!(messages("web:\n  hosts: {a: {x: 1, x: 2}}\n")[0].starts_with("2: `x` is set twice"));
    assert!(messages("plugin: aws_ec2\n")[0].starts_with("1: a dynamic inventory"));
    assert!(messages("web:\n\thosts:\n")[0].starts_with("!2: "));
    assert!(messages("").is_empty(), "an empty file is an inventory without hosts");
    assert!(messages("[web]\nw1\n").is_empty(), "what is no YAML may be INI");
}

#[test]
fn of_two_inventories_one_is_read() {
    let files = [("inventory.ini", "[a]\nh\n"), ("inventory.yaml", "b: {hosts: {g: }}\n")];
    let (inventory, problems) = read_folder(&files);
    assert_eq!(members(&inventory, "all"), ["h"]);
    let [problem] = problems.as_slice() else { panic!("one problem, not {problems:#?}") };
    assert!(!problem.is_error() && problem.message.contains("inventory.ini is there"));
}

#[test]
fn files_beside_the_inventory_outweigh_it_and_hosts_outweigh_groups() {
    let names = ["inv_all", "inv_g", "gv_all", "gv_g", "inv_h", "hv_h"];
    // Each place sets the variables from its own on: the strongest that sets one gives its name.
    let vars = |own: usize, line: fn(usize, &str) -> String| -> String {
        (own..names.len()).map(|at| line(at, names[own])).collect()
    };
    let assigned = |at: usize, name: &str| format!("v{at}={name}\n");
    let mapped = |at: usize, name: &str| format!("v{at}: {name}\n");
    let inventory = format!(
        "[g]\nh {}\n[all:vars]\n{}[g:vars]\n{}",
        vars(4, assigned).replace('\n', " "),
        vars(0, assigned),
        vars(1, assigned)
    );
    let inventory = good(&[
        ("inventory.ini", &inventory),
        ("group_vars/all.yml", &vars(2, mapped)),
        ("group_vars/g/b.yml", &vars(3, mapped)),
        ("host_vars/h", &vars(5, mapped)),
    ]);
    for (at, name) in names.iter().enumerate() {
        assert_eq!(variable(&inventory, "h", &format!("v{at}")), Value::text(*name));
    }
}

#[test]
fn of_files_with_one_name_the_first_is_read_and_a_directory_in_order() {
    let inventory = good(&[
        ("inventory.ini", "[g]\nh\n[k]\nh\n"),
        ("group_vars/g/10.yml", "x: 10\ny: 10\n"),
        ("group_vars/g/20.json", "{\"x\": 20}\n"),
        ("group_vars/g/deep/1.yaml", "z: deep\n"),
        ("group_vars/g/deep.d/1.yml", "x: 99\n"),
        ("group_vars/g/.hidden.yml", "x: 99\n"),
        ("group_vars/g/30.yml~", "x: 99\n"),
        ("group_vars/g/30.txt", "x: 99\n"),
        ("group_vars/g.yml", "x: 99\n"),
        ("group_vars/k.yaml", "k: yaml\n"),
        ("group_vars/k.json", "{\"k\": \"json\"}"),
        ("group_vars/stranger.yml", ": no YAML ["),
    ]);
    assert_eq!(variable(&inventory, "h", "x"), Value::Number(20));
    assert_eq!(variable(&inventory, "h", "y"), Value::Number(10));
    assert_eq!(variable(&inventory, "h", "z"), Value::text("deep"));
    assert_eq!(variable(&inventory, "h", "k"), Value::text("yaml"));
}

#[test]
fn what_cannot_be_read_beside_the_inventory_is_told_and_never_waited_for() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("inventory.ini"), "[g]\nh\n[k]\nh\n[l]\nh\n[gone]\nh\n").expect("written");
    std::fs::create_dir_all(path("group_vars/g")).expect("made");
    symlink(path("group_vars"), path("group_vars/g/up")).expect("linked");
    symlink(path("nowhere"), path("group_vars/gone")).expect("linked");
    std::fs::write(path("group_vars/gone.yml"), "x: 1\n").expect("written");
    nix::unistd::mkfifo(&path("group_vars/k"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let large = std::fs::File::create(path("group_vars/l.yml")).expect("created");
    large.set_len((4 << 20) + 1).expect("grown");
    std::fs::write(path("host_vars"), "no directory").expect("written");
    let mut problems = Vec::new();
    let found = read(&Sources::directory(folder.path()), &mut problems);
    assert_eq!(variable(&found.inventory, "h", "x"), Value::Number(1), "a link to nowhere hides nothing");
    let says = |word: &str| problems.iter().any(|problem| problem.message.contains(word));
    for word in ["nest deeper", "a pipe or a device", "larger than 4 MiB", "is no directory"] {
        assert!(says(word), "{word}: {problems:#?}");
    }
}

#[test]
fn an_encrypted_file_is_left_out_and_told_where_it_could_matter() {
    let sealed = "$ANSIBLE_VAULT;1.1;AES256\n3030\n";
    let files = [("inventory.ini", "[pg_backup]\nh\n[web]\nw\n"), ("group_vars/pg_backup/vault", sealed)];
    assert_eq!(told(&files), ["0: is encrypted and stays closed: settings of backups in it are not known"]);
    let files = [("inventory.ini", "[pg_backup]\nh\n[web]\nw\n"), ("group_vars/web.yml", sealed)];
    assert!(told(&files).is_empty());
    let inline = format!("secret: !vault |\n  {}\n", sealed.replace('\n', "\n  "));
    let inventory = good(&[("inventory.ini", "[web]\nw\n"), ("group_vars/web.yml", &inline)]);
    assert!(matches!(variable(&inventory, "w", "secret"), Value::Secret(_)));
    assert!(!format!("{inventory:?}").contains("ANSIBLE_VAULT"));
}

#[test]
fn what_is_encrypted_is_read_with_its_password_and_quoted_nowhere() {
    use crate::settings::vault::{VaultPassword, seal};
    let folder = tempfile::tempdir().expect("a folder");
    let sealed = |text: &str| seal(text.as_bytes(), b"word", "default").expect("sealed");
    std::fs::create_dir(folder.path().join("group_vars")).expect("made");
    for (name, text) in
        [("inventory.ini", "[pg_backup]\nh x=1\n"), ("group_vars/pg_backup", "y: 2\nCANARY: 1\nCANARY: 2\n")]
    {
        std::fs::write(folder.path().join(name), sealed(text)).expect("written");
    }
    let load = |password: &str| {
        let password = VaultPassword::Given(crate::vocab::Secret::new(password));
        let sources = Sources::directory(folder.path()).with_vault_password(Some(password));
        let mut problems = Vec::new();
        let found = read(&sources, &mut problems);
        assert!(found.sources.is_empty(), "no text for carets");
        (found.inventory, problems)
    };
    let (inventory, problems) = load("word");
    assert_eq!(variable(&inventory, "h", "x"), Value::Number(1));
    assert_eq!(variable(&inventory, "h", "y"), Value::Number(2));
    let [problem] = problems.as_slice() else { panic!("one problem, not {problems:#?}") };
    assert!(problem.message.starts_with("line 3 of what is encrypted: "), "{problem:?}");
    assert!(!format!("{problem:?}").contains("CANARY") && problem.span.is_none(), "{problem:?}");
    let (inventory, problems) = load("another");
    assert!(inventory.hosts.is_empty() && problems.len() == 1 && !problems[0].is_error());
}

mod never_panics {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ini(text in "(\\PC{0,20}\n?|[-a-c0-9\\[\\]:='\"# \n]{0,30}|\\[[ab](:children|:vars)?\\]\n|[ab](=[0-9]| x=1)?\n){0,8}") {
            let source = Source::new("inventory.ini", &text);
            let (mut model, problems) = ini::parse(&source);
            for problem in problems {
                let place = problem.place.expect("a place");
                prop_assert!(place.line as usize <= text.split('\n').count(), "{place}");
                prop_assert!(text.get(problem.span.expect("a span")).is_some());
            }
            let _ = model.resolve();
        }

        #[test]
        fn yaml(text in "(\\PC{0,20}\n?|( {0,6}(all|a|b|hosts|vars|children|a\\[1:2\\]|x:22):( 1| \\{\\}| \\[a\\]| a)?\n)){0,12}") {
            let source = Source::new("inventory.yml", &text);
            let mut problems = Vec::new();
            let mut model = parse(&source, &mut problems);
            let _ = model.resolve();
        }
    }
}
