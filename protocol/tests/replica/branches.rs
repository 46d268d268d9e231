//! Branches: made of a document as it is or was, edited apart, compared, merged, taken back.

use kernelos_protocol::command::{
    BranchChanges, BranchCommand, BranchKind, BranchPage, BranchReply, BranchState, ConflictRow,
    LostMerge,
};
use kernelos_protocol::id::{DocumentId, EventId};
use kernelos_protocol::limits::{BRANCH_DEPTH_MAX, PURPOSE_BYTES_MAX};
use kernelos_protocol::present;

use super::*;

fn branch(device: &mut Device, command: BranchCommand) -> Reply {
    device.ask(Command::Branch(command))
}

fn create_of(device: &mut Device, name: &str, of: &str, at: Option<&EventId>) -> Reply {
    let (name, of, at) = (name.to_owned(), of.parse().unwrap(), at.map(EventId::to_string));
    branch(device, BranchCommand::Create { name, of, at, purpose: "to try it".to_owned() })
}

fn create(device: &mut Device, name: &str) -> (DocumentId, EventId) {
    made(create_of(device, name, "", None))
}

fn made(reply: Reply) -> (DocumentId, EventId) {
    match reply {
        Reply::Branch(BranchReply::Made { document, event }) => (document, event),
        other => panic!("{other:?}"),
    }
}

fn list(device: &mut Device, all: bool) -> Vec<BranchState> {
    match branch(device, BranchCommand::List { all }) {
        Reply::Branch(BranchReply::List(page)) => page.branches,
        other => panic!("{other:?}"),
    }
}

/// Name, ahead and behind of each.
fn distances(device: &mut Device) -> Vec<(String, usize, usize)> {
    let name = |row: BranchState| (row.name.unwrap_or_default(), row.ahead, row.behind);
    list(device, true).into_iter().map(name).collect()
}

fn compared(device: &mut Device, command: BranchCommand) -> BranchChanges {
    match branch(device, command) {
        Reply::Branch(BranchReply::Changes(changes)) => *changes,
        other => panic!("{other:?}"),
    }
}

fn diff(device: &mut Device, name: &str) -> BranchChanges {
    compared(device, BranchCommand::Diff { name: name.to_owned() })
}

fn preview(device: &mut Device, name: &str) -> BranchChanges {
    compared(device, BranchCommand::Preview { name: name.to_owned() })
}

fn try_merge(device: &mut Device, name: &str) -> Reply {
    branch(device, BranchCommand::Merge { name: name.to_owned() })
}

fn merge(device: &mut Device, name: &str) -> (EventId, usize) {
    match try_merge(device, name) {
        Reply::Branch(BranchReply::Merged { event, changes, .. }) => (event, changes),
        other => panic!("{other:?}"),
    }
}

fn archive(device: &mut Device, name: &str, archived: bool) -> Reply {
    branch(device, BranchCommand::Archive { name: name.to_owned(), archived })
}

fn edit(device: &mut Device, path: &str, value: &str) -> EventId {
    match device.ask(set(path, value)) {
        Reply::Edited(edited) => edited.event.unwrap(),
        other => panic!("{path}: {other:?}"),
    }
}

fn undo(device: &mut Device, event: &EventId) -> Reply {
    device.ask(Command::Undo { begin: Some(event.to_string()), force: false })
}

fn conflicts(device: &mut Device) -> Vec<ConflictRow> {
    match device.ask(Command::Conflicts) {
        Reply::Conflicts(page) => page.conflicts,
        other => panic!("{other:?}"),
    }
}

fn places(changes: &BranchChanges) -> Vec<(String, String, String)> {
    let row = |row: &kernelos_protocol::document::preview::PreviewRow| {
        (row.path.to_string(), row.now.to_string(), row.then.to_string())
    };
    changes.changes.iter().map(row).collect()
}

fn message(reply: &Reply) -> String {
    match reply {
        Reply::Failed(failure) => failure.message.clone(),
        Reply::NotUndone(not) => not.reason.clone(),
        other => panic!("{other:?}"),
    }
}

/// The same state after a start, from events alone.
fn holds_after_a_start(device: &mut Device, paths: &[&str]) {
    let hash = device.status().state_hash;
    assert!(hash.is_some());
    let mut again = device.restarted();
    assert_eq!(again.status().state_hash, hash, "of documents that are closed too");
    for path in paths {
        assert_eq!(again.get(path), device.get(path), "{path}");
    }
    assert_eq!(again.status().state_hash, hash, "and once they are open");
}

#[test]
fn a_branch_shares_what_was_there_and_keeps_what_is_written_to_it() {
    // SPEC: BRA-1, BRA-2, BRA-3, CNT-13
    let mut device = Device::founded();
    edit(&mut device, "notes/a", "before");
    let events = device.status().events;
    let (document, event) = create(&mut device, "try");
    assert_eq!(device.status().events, events + 1, "one event makes and links it");
    assert_eq!(device.get("branches/try/notes"), r#"{"a":"before"}"#);
    assert_eq!(distances(&mut device), [("try".to_owned(), 0, 0)]);
    edit(&mut device, "branches/try/notes/a", "other");
    edit(&mut device, &format!("branches/{document}/notes/b"), "new");
    edit(&mut device, "notes/c", "root");
    assert_eq!(device.get("notes"), r#"{"a":"before","c":"root"}"#);
    assert_eq!(device.get("branches/try/notes"), r#"{"a":"other","b":"new"}"#);
    assert_eq!(distances(&mut device), [("try".to_owned(), 2, 1)]);
    let row = list(&mut device, false).remove(0);
    assert_eq!(
        (row.kind, row.event, row.purpose.as_str()),
        (BranchKind::Made, Some(event), "to try it")
    );
    assert_eq!((row.of.as_str(), row.devices.len(), row.archived), ("", 1, false));
    let changed = diff(&mut device, "try");
    let expected = [("notes/a", "\"before\"", "\"other\""), ("notes/b", "null", "\"new\"")];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(places(&changed), expected);
    assert_eq!(
        message(&create_of(&mut device, "try", "", None)),
        "there is a branch \"try\" already"
    );
    holds_after_a_start(&mut device, &["notes", "branches/try/notes"]);
}

#[test]
fn a_merge_brings_what_the_branch_wrote_and_conflicts_that_its_preview_told() {
    // SPEC: BRA-4, BRA-5, BRA-7
    let mut device = Device::founded();
    edit(&mut device, "notes/a", "before");
    edit(&mut device, "notes/gone", "x");
    create(&mut device, "try");
    edit(&mut device, "branches/try/notes/a", "branch");
    edit(&mut device, "branches/try/notes/b", "new");
    assert!(matches!(device.ask(rm("branches/try/notes/gone")), Reply::Edited(_)));
    edit(&mut device, "notes/a", "root");
    let before = (device.status(), device.get("notes"));
    let told = preview(&mut device, "try");
    assert_eq!((device.status(), device.get("notes")), before, "a preview writes nothing");
    let paths: Vec<_> = told.conflicts.iter().map(|row| row.path.to_string()).collect();
    assert_eq!(paths, ["notes/a"]);
    let (_, changes) = merge(&mut device, "try");
    assert_eq!(changes, 3);
    // What can be decided is said once it is open.
    assert!(told.conflicts.iter().all(|row| row.next.is_empty()));
    let open: Vec<_> = conflicts(&mut device)
        .into_iter()
        .map(|row| ConflictRow { next: Vec::new(), ..row })
        .collect();
    assert_eq!(open, told.conflicts, "what was told, by the very ids");
    assert_eq!(device.get("notes/b"), "\"new\"");
    assert!(matches!(
        device.ask(Command::Read { path: "notes/gone".parse().unwrap() }),
        Reply::Failed(_)
    ));
    let shown: Vec<_> = told.changes.iter().map(|row| row.path.to_string()).collect();
    assert_eq!(shown, ["notes/b", "notes/gone"], "what is in conflict shows what it showed");
    assert_eq!(distances(&mut device), [("try".to_owned(), 0, 1)]);
    assert_eq!(message(&try_merge(&mut device, "try")), "there is nothing to merge");
    // It goes on, and is merged again: only what is new comes.
    edit(&mut device, "branches/try/notes/d", "later");
    assert_eq!(distances(&mut device), [("try".to_owned(), 1, 1)]);
    assert_eq!(merge(&mut device, "try").1, 1);
    assert_eq!(device.get("notes/d"), "\"later\"");
    holds_after_a_start(&mut device, &["notes", "branches/try/notes"]);
}

#[test]
fn a_merge_where_the_origin_stood_still_is_an_event_too() {
    // SPEC: BRA-4
    let mut device = Device::founded();
    let board = device.ask(Command::CreateBoard { name: "garden".to_owned() });
    assert!(matches!(board, Reply::BoardMade { .. }));
    made(create_of(&mut device, "beds", "boards/garden", None));
    edit(&mut device, "branches/beds/notes/soil", "clay");
    assert_eq!(list(&mut device, false)[0].of, "boards/garden");
    merge(&mut device, "beds");
    assert_eq!(device.get("boards/garden/notes/soil"), "\"clay\"");
    edit(&mut device, "boards/garden/notes/soil", "loam");
    assert!(conflicts(&mut device).is_empty(), "who writes after the merge knows it");
    holds_after_a_start(&mut device, &["boards/garden", "branches/beds"]);
}

#[test]
fn an_old_state_comes_back_as_a_branch() {
    // SPEC: BRA-6
    let mut device = Device::founded();
    let first = edit(&mut device, "notes/a", "one");
    edit(&mut device, "notes/a", "two");
    made(create_of(&mut device, "then", "", Some(&first)));
    assert_eq!(device.get("branches/then/notes/a"), "\"one\"");
    assert_eq!(device.get("notes/a"), "\"two\"", "nothing went back");
    assert_eq!(distances(&mut device), [("then".to_owned(), 0, 1)]);
    let genesis = device.replica.workspace().id().genesis();
    let refused = create_of(&mut device, "never", "", Some(&genesis));
    assert!(message(&refused).starts_with("it is of the control lane"), "{refused:?}");
    let board = device.ask(Command::CreateBoard { name: "garden".to_owned() });
    assert!(matches!(board, Reply::BoardMade { .. }));
    let refused = create_of(&mut device, "early", "boards/garden", Some(&first));
    assert!(message(&refused).ends_with("the document was not there"), "{refused:?}");
    holds_after_a_start(&mut device, &["branches/then/notes"]);
}

#[test]
fn what_was_done_with_branches_is_taken_back() {
    // SPEC: BRA-9, UNDO-2, UNDO-3
    let mut device = Device::founded();
    edit(&mut device, "notes/a", "before");
    let (document, event) = create(&mut device, "try");
    edit(&mut device, "branches/try/notes/a", "branch");
    edit(&mut device, "branches/try/notes/b", "new");
    let (merged, _) = merge(&mut device, "try");
    assert_eq!(device.get("notes"), r#"{"a":"branch","b":"new"}"#);
    let undone = undo(&mut device, &merged);
    let Reply::Undone(undone) = undone else { panic!("{undone:?}") };
    assert_eq!(device.get("notes"), r#"{"a":"before"}"#);
    assert_eq!(device.get("branches/try/notes"), r#"{"a":"branch","b":"new"}"#);
    assert!(matches!(undo(&mut device, &undone.event), Reply::Undone(_)));
    assert_eq!(device.get("notes"), r#"{"a":"branch","b":"new"}"#);
    // What was written over it since is not lost.
    edit(&mut device, "notes/b", "mine");
    assert!(message(&undo(&mut device, &merged)).contains("was changed since"));
    // Put away, and back by taking that back.
    let Reply::Edited(away) = archive(&mut device, "try", true) else { panic!() };
    assert!(list(&mut device, false).is_empty());
    assert!(message(&try_merge(&mut device, "try")).contains("is put away"));
    assert!(matches!(undo(&mut device, &away.event.unwrap()), Reply::Undone(_)));
    assert!(!list(&mut device, false)[0].archived);
    // Its making: the name goes, and what was written is reached by its id.
    assert!(matches!(undo(&mut device, &event), Reply::Undone(_)));
    let row = list(&mut device, false).remove(0);
    assert_eq!((row.name, row.document), (None, Some(document)));
    assert_eq!(device.get(&format!("branches/{document}/notes/a")), "\"branch\"");
    // One that was not written to is nothing that has to be looked at.
    let (unused, event) = create(&mut device, "unused");
    assert!(matches!(undo(&mut device, &event), Reply::Undone(_)));
    let ids = |rows: Vec<BranchState>| -> Vec<_> { rows.iter().map(|row| row.document).collect() };
    assert_eq!(ids(list(&mut device, false)), [Some(document)]);
    assert!(ids(list(&mut device, true)).contains(&Some(unused)));
    holds_after_a_start(&mut device, &["notes"]);
}

#[test]
fn of_a_merge_that_was_taken_back_it_is_said_what_brings_it_in_again() {
    // SPEC: BRA-9, UNDO-4
    let mut device = Device::founded();
    create(&mut device, "try");
    edit(&mut device, "branches/try/notes/one", "1");
    let (merge_event, _) = merge(&mut device, "try");
    assert_eq!(list(&mut device, false)[0].taken_back, []);
    let Reply::Undone(undone) = undo(&mut device, &merge_event) else { panic!() };
    let taken_back = [LostMerge { merge: merge_event, undo: undone.event, also: Vec::new() }];
    let command = format!("kern undo {}", undone.event.short());
    let said = format!(
        "its merge {} was taken back by {}: `{command}` brings it in again",
        merge_event.short(),
        undone.event.short()
    );
    let row = list(&mut device, false).remove(0);
    assert_eq!((row.ahead, &row.taken_back[..]), (0, &taken_back[..]));
    assert_eq!(row.next, [&command, "kern branch archive try"]);
    assert_eq!(preview(&mut device, "try").taken_back, taken_back);
    let Reply::Failed(refused) = try_merge(&mut device, "try") else { panic!() };
    assert_eq!(refused.hint.as_ref(), Some(&said));
    // What is new is merged, and it is said what does not come with it.
    edit(&mut device, "branches/try/notes/two", "2");
    let told = preview(&mut device, "try");
    assert_eq!((places(&told).len(), &told.taken_back[..]), (1, &taken_back[..]));
    let page = BranchPage { branches: list(&mut device, false), more: 0 };
    for doc in [
        present::branches(&page, &Default::default()),
        present::branch_changes(&told, true, &Default::default()),
    ] {
        let text = present::to_text(&doc);
        assert_eq!(text.matches(&said).count(), 1, "{text}");
        assert_eq!(text.matches(&command).count(), 1, "{text}");
    }
    let Reply::Branch(BranchReply::Merged { changes, taken_back: beside, .. }) =
        try_merge(&mut device, "try")
    else {
        panic!()
    };
    assert_eq!((changes, &beside[..]), (1, &taken_back[..]));
    assert_eq!(device.get("notes"), r#"{"two":"2"}"#);
    let mut again = device.restarted();
    assert_eq!(list(&mut again, false)[0].taken_back, taken_back, "after a start, too");
    // And it does bring it in, also when that is taken back in its turn.
    let Reply::Undone(back) = undo(&mut device, &undone.event) else { panic!() };
    assert_eq!(device.get("notes"), r#"{"one":"1","two":"2"}"#);
    assert_eq!(list(&mut device, false)[0].taken_back, []);
    assert!(matches!(undo(&mut device, &back.event), Reply::Undone(_)));
    assert_eq!(list(&mut device, false)[0].taken_back, taken_back);
    assert!(matches!(undo(&mut device, &undone.event), Reply::Undone(_)));
    assert_eq!(device.get("notes"), r#"{"one":"1","two":"2"}"#);
    assert_eq!(list(&mut device, false)[0].taken_back, []);
}

#[test]
fn a_merge_that_is_struck_takes_with_it_what_came_by_it_alone() {
    // SPEC: BRA-2, EFF-8
    let mut device = Device::founded();
    edit(&mut device, "notes/a", "before");
    create(&mut device, "one");
    create(&mut device, "two");
    edit(&mut device, "branches/one/notes/a", "one");
    let two = edit(&mut device, "branches/two/notes/b", "two");
    let (first, _) = merge(&mut device, "one");
    merge(&mut device, "two");
    let strike =
        |event: &EventId| Command::Strike { begin: event.to_string(), reason: String::new() };
    // What the second builds on goes with it: the merge of the branch too.
    assert!(matches!(device.ask(strike(&two)), Reply::Struck { events: 2, .. }));
    assert_eq!(device.get("notes"), r#"{"a":"one"}"#);
    assert_eq!(device.get("branches/two/notes"), r#"{"a":"before"}"#);
    assert!(matches!(device.ask(strike(&first)), Reply::Struck { .. }));
    assert_eq!(device.get("notes"), r#"{"a":"before"}"#);
    assert_eq!(device.get("branches/one/notes"), r#"{"a":"one"}"#, "the branch has it still");
    holds_after_a_start(&mut device, &["notes", "branches/one/notes", "branches/two/notes"]);
    let back = Command::ReadmitEvent { begin: first.to_string(), reason: String::new() };
    assert!(matches!(device.ask(back), Reply::Readmitted { .. }));
    // What comes back is read from the store first; a status waits for it.
    assert!(device.status().state_hash.is_some());
    assert_eq!(device.get("notes"), r#"{"a":"one"}"#);
    let back = Command::ReadmitEvent { begin: two.to_string(), reason: String::new() };
    assert!(matches!(device.ask(back), Reply::Readmitted { events: 2, .. }));
    assert!(device.status().state_hash.is_some());
    assert_eq!(device.get("notes"), r#"{"a":"one","b":"two"}"#);
    holds_after_a_start(&mut device, &["notes", "branches/two/notes"]);
}

#[test]
fn a_branch_of_a_branch_is_merged_level_by_level_and_no_deeper_than_is_allowed() {
    // SPEC: BRA-1, BRA-2, BRA-4
    let mut device = Device::founded();
    edit(&mut device, "notes/a", "0");
    let mut of = String::new();
    for level in 1..=BRANCH_DEPTH_MAX {
        let name = format!("level{level}");
        made(create_of(&mut device, &name, &of, None));
        of = format!("branches/{name}");
        edit(&mut device, &format!("{of}/notes/n{level}"), "x");
    }
    let refused = create_of(&mut device, "deeper", &of, None);
    assert!(message(&refused).contains("deep"), "{refused:?}");
    holds_after_a_start(&mut device, &[&format!("{of}/notes")]);
    for level in (1..=BRANCH_DEPTH_MAX).rev() {
        merge(&mut device, &format!("level{level}"));
    }
    let notes: serde_json::Value = device.get("notes").parse().unwrap();
    assert_eq!(notes.as_object().unwrap().len(), 1 + usize::from(BRANCH_DEPTH_MAX));
    holds_after_a_start(&mut device, &["notes", "branches/level1/notes"]);
}

#[test]
fn what_is_asked_wrongly_of_branches_writes_nothing() {
    // SPEC: BRA-3, PRJ-10
    let mut device = Device::founded();
    let (document, _) = create(&mut device, "try");
    let events = device.status().events;
    for name in ["", " ", "a/b", "a\u{202e}b", "a\0b", &document.to_string(), &"x".repeat(65)] {
        let refused = create_of(&mut device, name, "", None);
        assert!(
            matches!(&refused, Reply::Failed(failure) if failure.kind == FailureKind::Usage),
            "{name:?}: {refused:?}"
        );
    }
    for purpose in ["a\nb".to_owned(), "x".repeat(PURPOSE_BYTES_MAX + 1)] {
        let (name, of) = ("long".to_owned(), "".parse().unwrap());
        let refused = branch(&mut device, BranchCommand::Create { name, of, at: None, purpose });
        assert!(matches!(&refused, Reply::Failed(f) if f.kind == FailureKind::Usage));
    }
    for of in ["boards/none", "branches/none", "notes/a", "missions/x", "notes"] {
        assert!(matches!(create_of(&mut device, "of", of, None), Reply::Failed(_)), "{of}");
    }
    let name = || "none".to_owned();
    for command in [
        BranchCommand::Diff { name: name() },
        BranchCommand::Preview { name: name() },
        BranchCommand::Merge { name: name() },
        BranchCommand::Archive { name: name(), archived: true },
    ] {
        let refused = branch(&mut device, command);
        assert_eq!(message(&refused), "there is no branch \"none\"");
    }
    for (path, said) in [
        ("branches/none/notes/x", "there is no branch \"none\""),
        ("branches/try", "only what is below"),
        ("branches/try/branch", "only what is below"),
        ("branches/try/boards/x/notes/y", "only what is below"),
    ] {
        assert!(message(&device.ask(set(path, "1"))).starts_with(said), "{path}");
    }
    assert_eq!(device.status().events, events, "and nothing of those is written");
}

#[test]
fn a_conflict_of_the_origin_is_not_told_again_of_each_branch() {
    // SPEC: BRA-10
    let mut device = Device::founded();
    edit(&mut device, "notes/a", "before");
    create(&mut device, "one");
    edit(&mut device, "branches/one/notes/a", "one");
    edit(&mut device, "notes/a", "root");
    merge(&mut device, "one");
    assert_eq!(conflicts(&mut device).len(), 1);
    create(&mut device, "two");
    edit(&mut device, "branches/two/notes/b", "two");
    let root = device.replica.workspace().root_document();
    let open = conflicts(&mut device);
    assert_eq!(open.iter().map(|row| Some(row.document)).collect::<Vec<_>>(), [root]);
    assert_eq!(device.status().conflicts, 1);
    let mut again = device.restarted();
    assert_eq!((again.status().conflicts, conflicts(&mut again)), (1, open));
}
