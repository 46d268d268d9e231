//! Edits that follow one another: made in their order, durable together, each answered for itself.

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
