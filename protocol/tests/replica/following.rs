//! Edits that follow one another: made in their order, durable together, each answered for itself.

use kernelos_protocol::document::DocumentTask;
use kernelos_protocol::limits::LOAD_SLICE_EVENTS;

use super::*;

fn keeps(output: &Output) -> usize {
    match output {
        Output::Persist(records) => {
            records.iter().filter(|record| matches!(record, Record::Event(_))).count()
        }
        _ => 0,
    }
}

#[test]
fn edits_that_wait_are_made_in_their_order_and_durable_in_one_commit() {
    let mut device = Device::founded();
    for request in 0..20 {
        device.command(request, set("notes/a", request));
    }
    let before = device.outputs.len();
    assert!(device.run(Crash::Never));
    let commits: Vec<_> = device.outputs[before..].iter().map(keeps).filter(|n| *n > 0).collect();
    assert_eq!(commits, [20]);
    for request in 0..20 {
        let reply = &device.replies[&request];
        assert!(matches!(reply, Reply::Edited(edited) if edited.event.is_some()), "{reply:?}");
    }
    assert_eq!(device.get("notes/a"), "19");
    assert_eq!(device.restarted().get("notes/a"), "19");
}

#[test]
fn no_more_edits_are_under_way_than_one_commit_may_hold() {
    let mut device = Device::founded();
    for request in 0..300 {
        device.command(request, set("notes/a", request));
    }
    let before = device.outputs.len();
    assert!(device.run(Crash::Never));
    let commits: Vec<_> = device.outputs[before..].iter().map(keeps).filter(|n| *n > 0).collect();
    assert_eq!(commits, [EDITS_UNDER_WAY_MAX, EDITS_UNDER_WAY_MAX, 300 - 2 * EDITS_UNDER_WAY_MAX]);
}

#[test]
fn an_edit_that_is_refused_takes_nothing_with_it_that_was_made_behind_it() {
    let mut device = Device::founded();
    device.ask(set("notes/list", serde_json::json!([])));
    let append = |n: u64| {
        let append = "notes/list".parse().unwrap();
        Command::Edit { edits: vec![Edit::Append { append, value: serde_json::json!([n]) }] }
    };
    device.command(1, append(1));
    // Too many characters for one event; what follows is made on a document that holds it.
    device.command(2, set("notes/list", "x".repeat(20_000)));
    device.command(3, append(3));
    device.command(4, append(4));
    device.command(5, set("notes/list", "y".repeat(20_000)));
    device.command(6, append(6));
    device.command(7, rm("notes/none"));
    assert!(device.run(Crash::Never));
    for request in [2, 5, 7] {
        let reply = &device.replies[&request];
        assert!(matches!(reply, Reply::Failed(_)), "{request}: {reply:?}");
    }
    for request in [1, 3, 4, 6] {
        let reply = &device.replies[&request];
        assert!(matches!(reply, Reply::Edited(_)), "{request}: {reply:?}");
    }
    assert_eq!(device.get("notes/list"), "[1,3,4,6]");
    let state = device.status().state_hash;
    let mut again = device.restarted();
    assert_eq!((again.get("notes/list").as_str(), again.status().state_hash), ("[1,3,4,6]", state));
}

#[test]
fn what_is_asked_behind_edits_sees_them_all() {
    let mut device = Device::founded();
    for request in 0..5 {
        device.command(request, set("notes/a", request));
    }
    device.command(5, Command::Read { path: "notes/a".parse().unwrap() });
    device.command(6, set("notes/a", 6));
    assert!(device.run(Crash::Never));
    let Reply::Read(read) = &device.replies[&5] else { panic!("{:?}", device.replies[&5]) };
    assert_eq!(read.value, 4);
    assert_eq!(device.get("notes/a"), "6");
}

#[test]
fn edits_that_are_being_made_anew_are_answered_where_the_store_fails() {
    let mut device = Device::founded();
    device.command(1, set("notes/a", "x".repeat(20_000)));
    device.command(2, set("notes/b", 2));
    device.command(3, set("notes/c", 3));
    // Up to where the second was answered by the documents, and is to be made again.
    let mut asked = Vec::new();
    while let Some(output) = device.replica.poll_output() {
        asked.push(output);
    }
    let tasks = asked.into_iter().filter(|output| matches!(output, Output::Perform(_)));
    for output in tasks.take(2) {
        device.perform(output);
    }
    while device.replica.poll_output().is_some() {}
    let mut unanswered = device.replica.unanswered();
    unanswered.sort();
    assert_eq!(unanswered, [RequestId(2), RequestId(3)]);
}

/// How many changes the documents were told, of all that was asked of them since.
fn told(device: &Device, since: usize) -> usize {
    let tasks = device.outputs[since..].iter().map(|output| match output {
        Output::Perform(DocumentTask::Apply { changes, .. }) => changes.len(),
        _ => 0,
    });
    tasks.sum()
}

#[test]
fn what_a_device_writes_is_not_told_to_the_documents_that_made_it() {
    let mut device = Device::founded();
    device.ask(Command::CreateBoard { name: "garden".to_owned() });
    device.ask(set("boards/garden/notes/a", "opened"));
    let before = device.outputs.len();
    for request in 0..20 {
        device.command(request, set("notes/a", request));
    }
    assert!(device.run(Crash::Never));
    let edits = serde_json::json!([
        {"set": "notes/b", "value": {"c": [1, 2]}}, {"set": "boards/garden/notes/b", "value": 1},
    ]);
    device.ask(Command::Edit { edits: serde_json::from_value(edits).unwrap() });
    device.ask(Command::Undo { begin: None, force: false });
    device.ask(set("notes/b", "last"));
    assert_eq!(told(&device, before), 0);
    // It claims what a device claims that was told all of it.
    let status = device.status();
    let mut again = device.restarted();
    for path in ["notes", "boards/garden/notes"] {
        assert_eq!(device.get(path), again.get(path));
    }
    assert!(status.state_hash.is_some());
    assert_eq!(again.status().state_hash, status.state_hash);
}

#[test]
fn an_own_change_whose_turn_is_not_stored_is_nowhere() {
    // SPEC: DUR-2
    let mut device = Device::founded();
    device.ask(set("notes/a", 1));
    let (state, count) = (device.status().state_hash, device.disk.clone());
    for request in 0..3 {
        device.command(request, set("notes/a", request + 2));
    }
    device.disk.full_after(0);
    let mut failed = None;
    while let Some(output) = device.replica.poll_output().filter(|_| failed.is_none()) {
        match output {
            Output::Persist(records) => failed = device.disk.commit(&records).err(),
            output => device.perform(output),
        }
    }
    assert_eq!(failed, Some(StoreError::Full));
    device.disk = count;
    let mut again = device.restarted();
    assert_eq!((again.get("notes/a").as_str(), again.status().state_hash), ("1", state));
    again.ask(set("notes/a", 9));
    assert_eq!(again.restarted().status().state_hash, again.status().state_hash);
}

#[test]
fn who_asks_behind_an_own_decision_finds_what_that_took_and_brought_back() {
    // SPEC: DUR-10
    let mut device = Device::founded();
    device.ask(set("notes/a", 1));
    let Reply::Edited(edited) = device.ask(set("notes/a", 2)) else { panic!() };
    // More than one slice of the store builds on it.
    for n in 0..=LOAD_SLICE_EVENTS {
        device.ask(set("notes/b", n));
    }
    let begin = edited.event.unwrap().to_string();
    let strike = || Command::Strike { begin: begin.clone(), reason: "a mistake".to_owned() };
    let back = || Command::ReadmitEvent { begin: begin.clone(), reason: "it was none".to_owned() };
    let all = format!(r#"{{"a":2,"b":{LOAD_SLICE_EVENTS}}}"#);
    let steps = [(strike(), r#"{"a":1}"#), (back(), all.as_str())];
    // In one turn.
    let read = || Command::Read { path: "notes".parse().unwrap() };
    for (decision, expected) in &steps {
        device.command(1, decision.clone());
        device.command(2, read());
        assert!(device.run(Crash::Never));
        assert_eq!(read_of(&mut device), *expected);
    }
    // In the turn behind the one that answers, before anything comes from the store.
    for (decision, expected) in &steps {
        device.command(1, decision.clone());
        let mut later = Vec::new();
        while let Some(output) = device.replica.poll_output() {
            later.push(output);
        }
        assert!(later.iter().any(|output| matches!(output, Output::Reply(RequestId(1), _))));
        device.command(2, read());
        later.into_iter().for_each(|output| device.perform(output));
        assert!(device.run(Crash::Never));
        assert_eq!(read_of(&mut device), *expected);
    }
    let state = device.status().state_hash;
    assert!(state.is_some());
    assert_eq!(device.restarted().status().state_hash, state);
}

/// What the second request of a test read.
fn read_of(device: &mut Device) -> String {
    match device.replies.remove(&2) {
        Some(Reply::Read(read)) => read.value.to_string(),
        other => format!("{other:?}"),
    }
}
