//! What holds of every command alike: help, what it wrote and how that is taken back; and what
//! `kern` says of itself and of the past.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::kern::{Home, Node, Talk, until};
use crate::repository::Repository;

/// The commands that have no commands below them, by the help itself.
fn leaves(home: &Home, above: &[String]) -> Vec<String> {
    let args: Vec<_> = above.iter().map(String::as_str).chain(["--help"]).collect();
    let help = home.run(&args).done().to_owned();
    let commands = help.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let named = commands.into_iter().flat_map(str::lines).filter_map(|line| {
        line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split_whitespace().next()
    });
    let below: Vec<_> = named.filter(|name| *name != "help").map(str::to_owned).collect();
    if below.is_empty() {
        return vec![above.join(" ")];
    }
    below
        .iter()
        .flat_map(|name| leaves(home, &[above, std::slice::from_ref(name)].concat()))
        .collect()
}

/// Commands that write nothing that others will have, or that tests of their own run with others.
const OTHERS: &str = "demo|up|join|offline|online|peer add|peer list|peer rm|status|doc get|\
    doc history|board list|task list|agent list|mission list|mission show|policy list|log|\
    quarantine list|quarantine show|export|devices|key status|key protect|key unprotect|\
    workspace list|branch list|branch diff|branch preview|bench|doctor|paths|completions|man|ui";

/// Commands that write, and how each is run here; `EVENT` is what the one before wrote, `TASK` a
/// task of it.
const WRITERS: [(&str, &str); 25] = [
    ("init", ""),
    ("invite", ""),
    ("revoke", ""),
    ("rescue", ""),
    ("readmit", ""),
    ("mission start", ""),
    ("mission cancel", ""),
    ("conflicts", ""),
    ("conflicts resolve", ""),
    ("purge", ""),
    ("import", ""),
    ("doc set", "doc set notes/a 1"),
    ("doc rm", "doc rm notes/a"),
    ("doc apply", "doc apply -"),
    ("board create", "board create garden"),
    ("board archive", "board archive garden"),
    ("branch create", "branch create try"),
    ("doc set", "doc set notes/c 1 --branch try"),
    ("branch merge", "branch merge try"),
    ("branch archive", "branch archive try"),
    ("task add", "task add pack"),
    ("task done", "task done TASK"),
    ("agent add", "agent add fixer --command true"),
    ("undo", "undo"),
    ("strike", "strike EVENT"),
];

#[test]
fn every_command_is_known_to_write_or_not() {
    let home = Home::new();
    let known: Vec<_> = OTHERS.split('|').chain(WRITERS.iter().map(|row| row.0)).collect();
    for leaf in leaves(&home, &[]) {
        assert!(
            known.contains(&leaf.as_str()),
            "does `kern {leaf}` write? say so here, and by Ui::wrote how it is undone"
        );
    }
}

fn event_of(told: &Json) -> Json {
    match told.as_array() {
        Some(rows) => rows.iter().find(|row| row.get("event").is_some()).unwrap().clone(),
        None => told.clone(),
    }
}

#[test]
fn who_writes_says_its_event_and_how_it_is_taken_back() {
    let home = Home::with_workspace();
    let _node: Node = home.up();
    let mut last = String::new();
    for (name, line) in WRITERS.iter().filter(|row| !row.1.is_empty()) {
        let line = line.replace("EVENT", &last);
        let line = match line.strip_suffix("TASK") {
            Some(done) => {
                let tasks = home.run(&["task", "list", "--json"]).json();
                format!("{done}{}", tasks[0]["id"].as_str().unwrap())
            }
            None => line,
        };
        let args: Vec<_> = line.split(' ').chain(["--json"]).collect();
        let told = event_of(&home.run_with(&args, r#"[{"set": "notes/b", "value": 2}]"#).json());
        let event = told["event"].as_str().unwrap_or_else(|| panic!("{name}: {told}"));
        assert!(home.log().iter().any(|row| row["id"] == *event), "{name}: {told}");
        assert!(told["undo"].is_string() || told["undo_reason"].is_string(), "{name}: {told}");
        last = event.to_owned();
        if *name == "undo" {
            last = home.run(&["doc", "get", "notes/b", "--json"]).json()["event"]
                .as_str()
                .unwrap_or(event)
                .to_owned();
        }
    }
    // What is said takes it back.
    let told = home.run(&["board", "create", "shed", "--json"]).json();
    let back = told["undo"].as_str().unwrap().strip_prefix("kern ").unwrap().to_owned();
    home.run(&back.split(' ').collect::<Vec<_>>()).done();
    let boards = home.run(&["board", "list", "--json"]).json();
    assert!(boards.as_array().unwrap().iter().all(|row| row["name"] != "shed"), "{boards}");
    let text = home.run(&["task", "add", "fold"]).done().to_owned();
    let back = text.lines().find_map(|line| line.strip_prefix("take it back: kern ")).unwrap();
    home.run(&back.split(' ').collect::<Vec<_>>()).done();
    assert!(!home.run(&["task", "list"]).done().contains("fold"));
    let wash = event_of(&home.run(&["task", "add", "wash", "--json"]).json());
    let wash = wash["id"].as_str().unwrap().to_owned();
    let text = home.run(&["task", "done", &wash]).done().to_owned();
    says_how_it_is_taken_back(&text, true);
    let back = text.lines().find_map(|line| line.strip_prefix("take it back: kern ")).unwrap();
    home.run(&back.split(' ').collect::<Vec<_>>()).done();
    assert_eq!(home.get(&format!("tasks/{wash}/state")), "open");
    let agent = home.run(&["agent", "add", "b", "--command", "true"]).done().to_owned();
    let back = agent.lines().find_map(|line| line.strip_prefix("take it back: kern ")).unwrap();
    home.run(&back.split(' ').collect::<Vec<_>>()).done();
    let agents = home.run(&["agent", "list", "--json"]).json();
    assert!(agents.as_array().unwrap().iter().all(|row| row["name"] != "b"), "{agents}");
}

/// A person reads which event it was, and how it is taken back or why it is not.
#[track_caller]
fn says_how_it_is_taken_back(said: &str, has_event: bool) {
    let ways = ["take it back: kern ", "it cannot be taken back: "];
    assert!(ways.iter().any(|way| said.contains(way)), "{said}");
    let event = said.lines().find_map(|line| line.strip_prefix("event "));
    let id = event.and_then(|line| line.split(' ').next());
    assert_eq!(id.is_some_and(|id| id.len() == 64), has_event, "{said}");
}

#[test]
fn what_takes_a_mission_another_device_or_a_file_says_how_it_is_taken_back_too() {
    let [laptop, phone] = [Home::new(), Home::new()];
    let recovery = laptop.file("recovery");
    let recovery = recovery.to_str().unwrap();
    let told = |home: &Home, args: &[&str]| {
        let said = home.run(args).done().to_owned();
        says_how_it_is_taken_back(&said, args[0] != "import");
        said
    };
    told(&laptop, &["init", "home", "--device", "laptop", "--recovery-file", recovery]);
    let _nodes = [laptop.up(), phone.up()];
    let mut invite = laptop.talk(&["invite", "--json"]);
    let token = invite.line()["token"].as_str().unwrap().to_owned();
    let mut join = phone.talk(&["join", &token, "--device", "phone", "--json"]);
    invite.say(join.line()["check_code"].as_str().unwrap());
    let granted = invite.line();
    assert_eq!(granted["undo"], format!("kern revoke {}", granted["granted"].as_str().unwrap()));
    assert!(laptop.log().iter().any(|row| row["id"] == granted["event"]), "{granted}");
    assert_eq!((join.line()["device"].clone(), invite.end()), (json!("phone"), 0));

    for home in [&laptop, &phone] {
        home.run(&["offline"]).done();
        home.run(&["doc", "set", "notes/a", if home.path() == laptop.path() { "1" } else { "2" }])
            .done();
    }
    for home in [&laptop, &phone] {
        home.run(&["online"]).done();
    }
    until("they disagree", || (laptop.status()["conflicts"] == 1).then_some(()));
    told(&laptop, &["conflicts", "resolve", "--all", "--take", "newest", "--yes"]);
    phone.run(&["offline"]).done();
    phone.run(&["doc", "set", "notes/late", "1"]).done();
    told(&laptop, &["revoke", "phone"]);
    phone.run(&["online"]).done();
    let is_apart = |row: &Json| row["verdict"] == "quarantined";
    until("what it wrote late", || laptop.log().iter().any(is_apart).then_some(()));
    told(&laptop, &["readmit", "phone"]);

    let repository = Repository::new();
    told(&laptop, &["agent", "add", "idle", "--command", "true"]);
    let path = repository.path();
    let start = ["mission", "start", "rest", "--repo", path.to_str().unwrap(), "--verify", "true"];
    let said = told(&laptop, &[&start[..], &["--agent", "idle"]].concat());
    let mission = said.lines().find_map(|line| line.strip_prefix("mission ")).unwrap();
    told(&laptop, &["mission", "cancel", mission]);
    let artifact = laptop.log().into_iter().find(|row| row["kind"] == "artifact").unwrap();
    told(&laptop, &["purge", artifact["id"].as_str().unwrap(), "--yes"]);

    let file = laptop.file("all.events");
    laptop.run(&["export", "--events", file.to_str().unwrap()]).done();
    told(&phone, &["import", "--events", file.to_str().unwrap()]);
    told(&phone, &["rescue", "--recovery-file", recovery, "--device", "phone"]);
}

#[test]
fn help_has_examples_and_who_asks_wrongly_is_told_what_there_is() {
    let home = Home::new();
    for leaf in leaves(&home, &[]) {
        let args: Vec<_> = leaf.split_terminator(' ').chain(["-h"]).collect();
        assert!(home.run(&args).done().contains("Examples:\n  "), "{leaf}");
    }
    let bare = home.run(&[""; 0]);
    assert!(bare.code == 2 && bare.stderr.contains("to begin"), "{}", bare.stderr);
    assert!(bare.stderr.lines().count() <= 24, "{}", bare.stderr);
    let said = home.run(&["stauts"]);
    assert!(said.code == 2 && said.stderr.contains("'status'"), "{}", said.stderr);
}

#[test]
fn tones_are_painted_for_who_wants_them_and_say_nothing_by_themselves() {
    let home = Home::with_workspace();
    let _node = home.up();
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = home.command(args);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        let ran = command.envs(variables.iter().copied()).output().unwrap();
        let text = [ran.stdout, ran.stderr].concat();
        String::from_utf8(text).unwrap()
    };
    for args in [&["conflicts"][..], &["status"], &["doc", "get", "notes/absent"]] {
        let plain = run(&[], args);
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
        let painted = run(&[("CLICOLOR_FORCE", "1")], args);
        assert!(painted.contains("\u{1b}["), "{painted:?}");
        let mut bare = String::new();
        for (at, part) in painted.split('\u{1b}').enumerate() {
            bare += if at == 0 { part } else { part.split_once('m').unwrap().1 };
        }
        assert_eq!(bare, plain);
        assert_eq!(run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], args), plain);
    }
}

#[test]
fn the_past_is_read_and_searched() {
    // SPEC: PAST-1, PAST-3, PAST-4
    let home = Home::with_workspace();
    let _node = home.up();
    let set = |value: &str| {
        let told = home.run(&["doc", "set", "notes/a", value, "--json"]).json();
        told["event"].as_str().unwrap().to_owned()
    };
    let (first, _) = (set("\"rain\""), set("\"sun\""));
    let then = home.run(&["doc", "get", "notes/a", "--at", &first[..8], "--json"]).json();
    assert_eq!((&then["value"], &then["after"]), (&json!("rain"), &json!(first)));
    let now = home.run(&["doc", "get", "notes/a", "--at", "0 s ago", "--json"]).json();
    assert_eq!(now["value"], "sun");
    home.run(&["doc", "get", "notes/a", "--at", "1999-01-01"]).refused(1, "nothing at");
    home.run(&["doc", "get", "notes/a", "--at", "yesterday"]).refused(2, "no time");
    let history = home.run(&["doc", "history", "notes/a", "--json"]);
    let rows: Vec<Json> =
        history.done().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |row: &Json| (row["value"].clone(), row["current"].clone(), row["device"].clone());
    let shown: Vec<_> = rows.iter().map(of).collect();
    let laptop = json!("laptop");
    let is_time = |row: &Json| row["time"].as_u64().is_some_and(|us| us > 1_700_000_000_000_000);
    assert!(rows.iter().all(|row| is_time(row) && row["lost_to"].is_null()), "{rows:?}");
    assert_eq!(rows[0]["event"], json!(first));
    assert_eq!(shown[0], (json!("rain"), json!(false), laptop.clone()));
    assert_eq!(shown[1], (json!("sun"), json!(true), laptop));
    let found = home.run(&["log", "--search", "RAIN", "--kind", "change", "--json"]);
    let found: Vec<Json> =
        found.done().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((found.len(), &found[0]["id"]), (1, &json!(first)));
    assert!(home.run(&["log", "--search", "laptop", "--since", "1 h"]).done().contains("genesis"));
    let none = home.run(&["log", "--search", "hail"]);
    assert_eq!((none.done(), none.stderr.as_str()), ("", "nothing found\n"));
    let none = home.run(&["log", "--search", "hail", "--json"]);
    assert_eq!((none.done(), none.stderr.as_str()), ("", ""));
    home.run(&["log", "--search", ""]).refused(2, "empty");
    home.run(&["log", "--kind", "nonsense"]).refused(2, "change, ");
}

#[test]
fn kern_says_where_things_lie_and_writes_completions_and_pages() {
    let home = Home::new();
    let paths = home.run(&["paths", "--json"]).json();
    assert_eq!(paths["home"], json!(home.path()));
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.run(&["completions", shell]).done().contains("quarantine"), "{shell}");
    }
    let script = home.run(&["completions", "bash", "--json"]).json();
    assert_eq!(script["shell"], "bash");
    assert_eq!(script["script"], home.run(&["completions", "bash"]).done());
    assert!(home.run(&["man"]).done().contains(".TH kern"));
    let page = home.run(&["man", "--json"]).json();
    assert_eq!(page["page"], home.run(&["man"]).done());
    let pages = home.file("pages");
    let told = home.run(&["man", pages.to_str().unwrap()]).done().to_owned();
    assert!(pages.join("kern-doc-history.1").is_file());
    let written = fs::read_dir(&pages).unwrap().count();
    assert_eq!(told, format!("{written} pages in {}\n", pages.display()));
    // A copy of the program, with nothing beside it.
    let alone = home.file("alone");
    fs::create_dir(&alone).unwrap();
    let kern = alone.join("kern");
    fs::copy(crate::kern::program(), &kern).unwrap();
    let mut ui = Command::new(kern);
    ui.arg("ui").env("KERNELOS_HOME", home.path()).env("PATH", "/nowhere").env("DISPLAY", ":0");
    let said = ui.output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("cargo install"));
    // On the PATH it is found, in the first folder that has it, and this process becomes it.
    let [first, second] = ["first", "second"].map(|name| home.file(name));
    for (folder, code) in [(&first, 7), (&second, 8)] {
        fs::create_dir(folder).unwrap();
        let gui = folder.join("kern-gui");
        fs::write(&gui, format!("#!/bin/sh\necho \"$@\"\nexit {code}\n")).unwrap();
        fs::set_permissions(&gui, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::join_paths([&home.file("absent"), &first, &second]).unwrap();
    let said = ui.env("PATH", path).output().unwrap();
    assert_eq!(said.status.code(), Some(7));
    let socket = home.run(&["paths", "--json"]).json()["socket"].as_str().unwrap().to_owned();
    assert_eq!(String::from_utf8_lossy(&said.stdout), format!("--socket {socket}\n"));
}

#[test]
fn who_has_no_display_is_told_what_to_do_and_no_path_of_a_build() {
    let home = Home::new();
    let mut ui = home.command(&["ui"]);
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        ui.env_remove(name);
    }
    let said = ui.output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(text.contains("no window: ") && text.contains("DISPLAY"), "{text}");
    assert!(!text.contains(".rs:") && !text.contains("/registry/"), "{text}");
    let said = ui.arg("--json").output().unwrap();
    let failure: Json = serde_json::from_slice(&said.stderr).unwrap();
    assert!(failure["message"].as_str().unwrap().starts_with("no window: "), "{failure}");
}

/// Waits until a command hears signals itself.
fn hears(talk: &Talk) {
    let status = format!("/proc/{}/status", talk.pid());
    until("a command that hears signals", || {
        let status = fs::read_to_string(&status).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        (caught & 2 != 0).then_some(())
    });
}

#[test]
fn a_command_that_waits_for_a_node_that_hangs_is_interrupted_and_leaves_nothing_half_done() {
    let home = Home::with_workspace();
    let node = home.up();
    let pid = Pid::from_raw(i32::try_from(node.pid()).unwrap()).unwrap();
    let (events, out) = (home.file("all.events"), home.file("out"));
    let (events, out) = (events.to_str().unwrap(), out.to_str().unwrap());
    let edits = home.file("edits");
    fs::write(&edits, r#"[{"set": "notes/a", "value": 1}, {"set": "notes/b", "value": 1}]"#)
        .unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    for args in [
        &["export", "--events", events][..],
        &["export", "--automerge", out],
        &["doc", "history", "notes/a"],
        &["log", "--search", "rain"],
        &["log", "--graph"],
        &["conflicts"],
        &["doc", "apply", edits.to_str().unwrap()],
    ] {
        let talk = home.talk(args);
        hears(&talk);
        talk.signal(Signal::INT);
        assert_eq!(talk.end_open(), 130, "{args:?}");
    }
    assert!(!fs::exists(events).unwrap(), "half a file is none");
    kill_process(pid, Signal::CONT).unwrap();
    home.run(&["export", "--events", events]).done();
    // What it was told before that it may do, all of it or nothing.
    let notes = home.run(&["doc", "get", "notes", "--json"]);
    if notes.code == 0 {
        let value = &notes.json()["value"];
        assert!([json!({}), json!({ "a": 1, "b": 1 })].contains(value), "{value}");
    }
    let changes = home.log().iter().filter(|row| row["kind"] == "change").count();
    assert!((1..=2).contains(&changes), "{changes}");
}
