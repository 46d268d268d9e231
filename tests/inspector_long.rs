//! A real window before a real node with a long history: what it shows first, and the way to the
//! oldest event and back, each by one key.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;

use serde_json::{Value as Json, json};

use crate::inspector::{Display, Window};
use crate::kern::Home;

/// Events that are written. A build without optimisation writes about a thousand a second: a
/// hundred thousand of them would take longer than all that is done with them.
const EVENTS: usize = 20_000;

/// Writers at once, each on a connection of its own: the node makes what they ask one commit.
const WRITERS: usize = 64;

/// Of how many places.
const PLACES: usize = 50;

/// Writes so many events, as programs do that stay connected.
fn write(home: &Home, events: usize) {
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let mut door = UnixStream::connect(home.path().join("kern.sock")).unwrap();
                let mut answers = BufReader::new(door.try_clone().unwrap());
                for number in (writer..events).step_by(WRITERS) {
                    let set =
                        json!({ "set": format!("notes/{}", number % PLACES), "value": number });
                    let command = json!({ "command": "edit", "edits": [set] });
                    let asked = json!({ "workspace": "home", "command": command }).to_string();
                    let length = asked.len();
                    let head =
                        "POST /v1/command HTTP/1.1\r\nhost: kern\r\ncontent-type: application/json";
                    write!(door, "{head}\r\ncontent-length: {length}\r\n\r\n{asked}").unwrap();
                    let said = answer(&mut answers);
                    assert_eq!(said["reply"], "edited", "{said}");
                    assert!(said["event"].is_string(), "{said}");
                }
            });
        }
    });
}

/// One answer of the API.
fn answer(from: &mut impl BufRead) -> Json {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        from.read_line(&mut line).unwrap();
        match line.trim_end().to_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// What rows of the timeline are called, those in sight alone.
fn rows(window: &Window<'_>) -> Vec<String> {
    let nodes = window.nodes().into_iter().filter(|node| node["role"] == "ListBoxOption");
    nodes.map(|node| node["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn before_twenty_thousand_events_a_window_shows_the_newest_and_the_oldest_by_one_key() {
    // SPEC: TIME-1, TIME-3
    let home = Home::with_workspace();
    let _node = home.up();
    let before = home.status()["events"].as_u64().unwrap();
    write(&home, EVENTS);
    let total = home.status()["events"].as_u64().unwrap();
    assert_eq!(total, before + EVENTS as u64);
    let display = Display::new();
    let window = Window::open(&home, &display);
    window.find("Label", &format!("saved here: {total} events"));
    window.click_only("Timeline");
    // The newest run ends with the last event; as many as have no part in a conflict are one row.
    let (newest, oldest) = (format!("{total} of {total}: "), format!("event 1 of {total}: "));
    let row = window.find("ListBoxOption", &newest);
    assert!(row["name"].as_str().unwrap().contains(" changes "), "{row}");
    let seen = rows(&window);
    assert!((2..60).contains(&seen.len()), "only those in sight are laid out: {seen:?}");

    window.key("End");
    window.find("ListBoxOption", &oldest);
    window.find("Label", "events 1 to ");
    window.gone("older events: loading…");
    window.gone(&newest);
    let seen = rows(&window);
    // The first is the genesis, and nothing stands below it.
    assert!(seen.iter().any(|row| row.starts_with(&oldest) && row.contains("genesis")), "{seen:?}");

    window.key("Home");
    window.find("ListBoxOption", &newest);
    window.gone(&oldest);
    // It is there for what comes now.
    home.run(&["doc", "set", "notes/last", "true"]).done();
    let total = total + 1;
    window.find("ListBoxOption", &format!("{total} of {total}: "));
    window.find("Label", &format!("saved here: {total} events"));
}
