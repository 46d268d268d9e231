//! A device whose clock was never set, as real processes have it: it pairs, writes, agrees and
//! decides as any other, and people are told that its times are wrong.
//!
//! The clock is that of libfaketime (Debian's `libfaketime`), which `kern` is started under; what
//! sleeps and measures is not touched by it, as a wall clock that is not set does not.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::kern::{Home, until};

/// A home whose processes have a clock that begins then.
fn home_of(time: &str) -> Home {
    let folders = ["x86_64", "aarch64"].map(|arch| format!("/usr/lib/{arch}-linux-gnu/faketime"));
    let library = folders.iter().map(|folder| Path::new(folder).join("libfaketime.so.1"));
    let library = library.into_iter().find(|path| path.is_file());
    let library = library.expect("Debian's libfaketime is not installed");
    let text = |text: &str| PathBuf::from(text);
    Home::told(vec![
        ("LD_PRELOAD", library),
        ("FAKETIME", text(time)),
        ("FAKETIME_DONT_FAKE_MONOTONIC", text("1")),
        ("FAKETIME_DONT_RESET", text("1")),
        ("TZ", text("UTC")),
    ])
}

#[test]
fn a_device_whose_clock_says_1970_works_with_others_and_is_told() {
    let [laptop, phone] = [Home::with_workspace(), home_of("@1970-01-01 00:00:07")];
    let (_node, node) = (laptop.up(), phone.up());
    laptop.pair(&phone, "phone", "member");
    let agree = || {
        until("one state hash on both devices", || {
            let [one, two] = [&laptop, &phone].map(|home| home.status()["state_hash"].clone());
            (one.is_string() && one == two).then_some(())
        });
    };
    agree();
    let doctor: Json = serde_json::from_str(&phone.run(&["doctor", "--json"]).stdout).unwrap();
    let clock = doctor.as_array().unwrap().iter().find(|row| row["check"] == "clock").unwrap();
    assert_eq!(clock["ok"], false);
    assert_eq!(clock["detail"], "it says a year before 2024");
    assert!(clock["fix"].as_str().unwrap().contains("timedatectl"), "{clock}");
    for (home, value) in [(&laptop, "\"now\""), (&phone, "\"then\"")] {
        home.run(&["offline"]).done();
        home.run(&["doc", "set", "notes/a", value]).done();
    }
    for home in [&laptop, &phone] {
        home.run(&["online"]).done();
    }
    agree();
    // Others are told whose time is no time, and by no time is anything decided.
    let told = |args: &[&str]| laptop.run(args).done().to_owned();
    let wrong = |text: &str| text.lines().filter(|line| line.contains("clock was wrong")).count();
    assert_eq!(wrong(&told(&["log"])), 1, "{}", told(&["log"]));
    let open = told(&["conflicts"]);
    assert!(open.contains("by phone (member), its clock was wrong"), "{open}");
    assert!(open.contains("by laptop (owner), 20"), "{open}");
    let stays = told(&["conflicts", "resolve", "--all", "--take", "newest", "--yes"]);
    assert!(stays.contains("0 decided") && stays.contains(": a clock was wrong"), "{stays}");
    for home in [&laptop, &phone] {
        let history = home.run(&["doc", "history", "notes/a", "--json"]);
        let rows: Vec<Json> =
            history.done().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |value: &str| rows.iter().find(|row| row["value"] == value).unwrap();
        let (then, now) = (of("then"), of("now"));
        // Which of them shows until somebody decides is no matter of time.
        let (shown, lost) = if now["current"] == true { (now, then) } else { (then, now) };
        assert_eq!([&lost["lost_to"], &shown["lost_to"]], [&shown["event"], &Json::Null]);
        let seconds = |row: &Json| row["time"].as_u64().unwrap() / 1_000_000;
        assert!(seconds(then) < 3_600 && seconds(now) > 1_700_000_000, "{rows:?}");
    }
    // It decides, stops and starts as any other.
    let row = phone.run(&["conflicts", "--json"]).json()[0].clone();
    let mine = row["sides"].as_array().unwrap().iter().find(|side| side["value"] == "then");
    let (id, side) = (row["id"].as_str().unwrap(), mine.unwrap()["side"].as_str().unwrap());
    phone.run(&["conflicts", "resolve", id, "--keep", side]).done();
    assert!(node.terminate().success());
    let _again = phone.up();
    phone.run(&["doc", "set", "notes/b", "\"still\""]).done();
    agree();
    assert_eq!((laptop.get("notes/a"), laptop.get("notes/b")), (json!("then"), json!("still")));
    assert_eq!(laptop.status()["conflicts"], json!(0));
}
