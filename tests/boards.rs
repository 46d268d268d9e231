//! Boards as people use them: real processes, one name made on two devices that are apart.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::kern::{Home, Node, until};

/// A laptop and a phone that it paired, both running.
fn two() -> ([Home; 2], [Node; 2]) {
    let homes = [Home::with_workspace(), Home::new()];
    let nodes = [homes[0].up(), homes[1].up()];
    homes[0].pair(&homes[1], "phone", "member");
    (homes, nodes)
}

fn agree(homes: &[Home; 2]) -> Json {
    until("one state hash on both devices", || {
        let [one, two] = homes.each_ref().map(|home| home.status()["state_hash"].clone());
        (one.is_string() && one == two).then_some(one)
    })
}

fn done(home: &Home, args: &[&str]) -> Json {
    home.run(&[args, &["--json"]].concat()).json()
}

#[test]
fn a_board_that_two_devices_made_apart_is_two_boards_and_one_conflict() {
    // SPEC: PRJ-9, PRJ-10, PRJ-11, PRJ-8
    let (homes, nodes) = two();
    let [laptop, phone] = &homes;
    done(phone, &["offline"]);
    let ids = homes.each_ref().map(|home| {
        let made = done(home, &["board", "create", "garden"]);
        made["document"].as_str().unwrap().to_owned()
    });
    assert_ne!(ids[0], ids[1]);
    done(laptop, &["task", "add", "sow beans", "--board", "garden"]);
    done(phone, &["task", "add", "dig", "--board", "garden"]);
    done(phone, &["doc", "set", "boards/garden/notes/soil", "\"clay\""]);
    assert_eq!(done(laptop, &["task", "list"]), json!([]), "the workspace's own are apart");
    done(phone, &["online"]);
    agree(&homes);

    for home in &homes {
        let conflicts = done(home, &["conflicts"]);
        let paths: Vec<_> = conflicts.as_array().unwrap().iter().map(|c| &c["path"]).collect();
        assert_eq!(paths, ["boards/garden"]);
        for (id, title) in ids.iter().zip(["sow beans", "dig"]) {
            let tasks = done(home, &["task", "list", "--board", id]);
            assert_eq!(tasks[0]["title"], title, "{tasks}");
        }
        let listed = done(home, &["board", "list"]);
        let documents: BTreeSet<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["document"].as_str().unwrap())
            .collect();
        assert_eq!(documents, ids.iter().map(String::as_str).collect());
    }
    // Each goes on writing to both while they are apart again.
    done(phone, &["offline"]);
    for (home, who) in [(laptop, "laptop"), (phone, "phone")] {
        for id in &ids {
            done(home, &["doc", "set", &format!("boards/{id}/notes/who"), &format!("\"{who}\"")]);
        }
    }
    done(phone, &["online"]);
    agree(&homes);
    let conflicts = done(phone, &["conflicts"]);
    assert_eq!(conflicts.as_array().unwrap().len(), 3, "{conflicts}");
    for conflict in conflicts.as_array().unwrap() {
        let id = conflict["id"].as_str().unwrap();
        phone.run(&["conflicts", "resolve", &id[..6], "--keep", "A"]).done();
    }
    agree(&homes);
    assert_eq!(laptop.status()["conflicts"], 0);

    is_known_after_a_start(&homes, nodes, &ids);
    is_exported(phone, &ids);
}

#[test]
fn what_is_put_away_refuses_what_is_written_to_it_and_says_how_to_go_on() {
    // SPEC: PRJ-9, BRA-4
    let home = Home::with_workspace();
    let _node = home.up();
    let made = done(&home, &["board", "create", "garden"]);
    let board = made["document"].as_str().unwrap().to_owned();
    let made = done(&home, &["branch", "create", "try"]);
    let branch = made["document"].as_str().unwrap().to_owned();
    let task = done(&home, &["task", "add", "dig", "--board", "garden"]);
    let task = task[0]["id"].as_str().unwrap();
    done(&home, &["doc", "set", "notes/a", "1", "--branch", "try"]);
    done(&home, &["board", "archive", "garden"]);
    done(&home, &["branch", "archive", "try"]);
    let before = home.log().len();
    for name in ["garden", &board] {
        for args in [
            &["task", "add", "sow", "--board", name][..],
            &["task", "done", task, "--board", name],
            &["doc", "set", &format!("boards/{name}/notes/a"), "1"],
        ] {
            let ran = home.run(args);
            ran.refused(1, "board \"garden\" is put away");
            assert!(ran.stderr.contains("kern board archive garden --undo"), "{}", ran.stderr);
        }
        assert_eq!(done(&home, &["task", "list", "--board", name])[0]["title"], "dig");
    }
    for name in ["try", &branch] {
        for args in [
            &["doc", "set", "notes/a", "2", "--branch", name][..],
            &["doc", "rm", "notes/a", "--branch", name],
            &["task", "add", "sow", "--branch", name],
        ] {
            let ran = home.run(args);
            ran.refused(1, "branch \"try\" is put away");
            assert!(ran.stderr.contains("kern branch archive try --undo"), "{}", ran.stderr);
        }
        let read = done(&home, &["doc", "get", "notes/a", "--branch", name]);
        assert_eq!(read["value"], 1);
    }
    assert_eq!(home.log().len(), before, "nothing of that was written");
    // Both ways that are said are ways.
    done(&home, &["branch", "create", "on", "--of", "boards/garden"]);
    done(&home, &["task", "add", "sow", "--branch", "on"]);
    done(&home, &["board", "archive", "garden", "--undo"]);
    done(&home, &["task", "done", task, "--board", &board]);
}

/// A start holds the root alone, and claims the same of all.
fn is_known_after_a_start(homes: &[Home; 2], nodes: [Node; 2], ids: &[String; 2]) {
    let phone = &homes[1];
    let before = agree(homes);
    let [_first, second] = nodes;
    second.terminate();
    let second = phone.up();
    let status = until("a state hash after the start", || {
        let status = phone.status();
        status["state_hash"].is_string().then_some(status)
    });
    let said = (&status["state_hash"], &status["documents"], &status["loaded"]);
    assert_eq!(said, (&before, &json!(3), &json!(1)));
    assert_eq!(phone.get(&format!("boards/{}/notes/soil", ids[1])), "clay");
    assert_eq!(phone.status()["loaded"], 2);
    second.terminate();
}

/// Each document is a file of its own, and what another program makes of one comes back.
fn is_exported(home: &Home, ids: &[String; 2]) {
    let _node = home.up();
    let folder = home.file("out");
    done(home, &["branch", "create", "try", "--of", "boards/garden"]);
    home.run(&["export", "--automerge", folder.to_str().unwrap()]).done();
    let files = std::fs::read_dir(&folder).unwrap();
    let files: BTreeSet<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let named = done(home, &["board", "list"]);
    let named = named.as_array().unwrap().iter().find(|row| row["name"] == "garden").unwrap();
    let other = ids.iter().find(|id| named["document"] != **id).unwrap();
    let other = format!("{other}.automerge");
    let expected =
        ["workspace.automerge", "garden.automerge", "branch-try.automerge", other.as_str()];
    assert_eq!(files, expected.map(str::to_owned).into());
    let file = folder.join("garden.automerge");
    let into = "boards/garden/notes/copy";
    home.run(&["import", "--automerge", file.to_str().unwrap(), into]).done();
    assert_eq!(home.get("boards/garden/notes/copy/board/name"), "garden");
}
