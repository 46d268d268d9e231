//! Looks into the past: what stood somewhere, every value that ever did, and which event said what.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::command::{
    At, Command, ConflictPage, FailureKind, FoundRow, HistoryRow, PastCommand, PastRead, PastReply,
    Reply, Search,
};
use kernelos_protocol::id::EventId;
use kernelos_protocol::limits::{HISTORY_ROWS_MAX, SEARCH_PAGE_EVENTS};
use kernelos_protocol::present;
use kernelos_protocol::role::Role;
use kernelos_protocol::time::{Stamp, Time};
use serde_json::{Value as Json, json};

use super::mesh::{Mesh, id};

pub(super) fn set(mesh: &mut Mesh, number: u8, path: &str, value: Json) -> EventId {
    mesh.edit(number, json!([{ "set": path, "value": value }]))
}

fn past(mesh: &mut Mesh, number: u8, asked: PastCommand) -> Result<PastReply, String> {
    match mesh.ask(number, Command::Past(asked)) {
        Reply::Past(reply) => Ok(*reply),
        Reply::Failed(failure) => Err(failure.message),
        other => panic!("{other:?}"),
    }
}

pub(super) fn read(mesh: &mut Mesh, number: u8, path: &str, at: At) -> Result<PastRead, String> {
    match past(mesh, number, PastCommand::Read { path: path.parse().unwrap(), at }) {
        Ok(PastReply::Read(read)) => Ok(read),
        Err(message) => Err(message),
        other => panic!("{other:?}"),
    }
}

fn after(mesh: &mut Mesh, number: u8, path: &str, event: EventId) -> Json {
    match read(mesh, number, path, At::Event(event.to_string())) {
        Ok(read) => read.read.value,
        Err(message) => Json::String(message),
    }
}

pub(super) fn history(
    mesh: &mut Mesh,
    number: u8,
    path: &str,
    limit: usize,
) -> (Vec<HistoryRow>, usize) {
    match past(mesh, number, PastCommand::History { path: path.parse().unwrap(), limit }) {
        Ok(PastReply::History(page)) => (page.rows, page.older),
        other => panic!("{other:?}"),
    }
}

/// Value, current, and the event that it lost to.
pub(super) fn rows(mesh: &mut Mesh, number: u8, path: &str) -> Vec<(Json, bool, Option<EventId>)> {
    let (rows, _) = history(mesh, number, path, 100);
    rows.into_iter().map(|row| (row.value, row.current, row.lost_to)).collect()
}

fn search(mesh: &mut Mesh, number: u8, search: Search) -> Vec<FoundRow> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let asked = PastCommand::Search(Search { from, ..search.clone() });
        let Ok(PastReply::Found(page)) = past(mesh, number, asked) else { panic!() };
        assert_eq!(page.unread, 0);
        found.extend(page.rows);
        match page.next {
            Some(next) => from = next,
            None => return found,
        }
    }
}

#[test]
fn a_path_shows_what_stood_there_after_an_event() {
    // SPEC: PAST-1
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let first = set(&mut mesh, 1, "notes/a", json!({"x": [1, "one"]}));
    let second = set(&mut mesh, 2, "notes/a/x/0", json!(2));
    mesh.cut(link);
    let mine = set(&mut mesh, 1, "notes/b", json!("mine"));
    let others = set(&mut mesh, 2, "notes/b", json!("other's"));
    mesh.connect(1, 2);
    let gone = mesh.edit(1, json!([{"rm": "notes/a"}]));
    for number in [1, 2] {
        assert_eq!(after(&mut mesh, number, "notes/a", first), json!({"x": [1, "one"]}));
        assert_eq!(after(&mut mesh, number, "notes/a/x", second), json!([2, "one"]));
        // What its author did not know had not been written then.
        assert_eq!(after(&mut mesh, number, "notes/b", mine), "mine");
        assert_eq!(after(&mut mesh, number, "notes/b", others), "other's");
        assert_eq!(
            after(&mut mesh, number, "notes/b", second),
            "there was nothing at \"notes/b\" then"
        );
        assert_eq!(
            after(&mut mesh, number, "notes/a", gone),
            "there was nothing at \"notes/a\" then"
        );
    }
    let whole =
        read(&mut mesh, 1, "notes/a", At::Event(first.to_string()[..8].to_owned())).unwrap();
    assert_eq!((whole.after, whole.read.event, whole.until), (Some(first), Some(first), None));
    // Reading the past changes nothing.
    assert_eq!(mesh.get(1, "notes"), mesh.get(2, "notes"));
    mesh.assert_equal(&[1, 2]);
}

#[test]
fn what_was_struck_since_is_not_shown_and_control_events_are_no_moment_of_documents() {
    // SPEC: PAST-1
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let first = set(&mut mesh, 1, "notes/a", json!(1));
    let second = set(&mut mesh, 1, "notes/b", json!(2));
    let last = set(&mut mesh, 1, "tasks/c", json!(3));
    let strike = Command::Strike { begin: second.to_string(), reason: String::new() };
    let Reply::Struck { event, .. } = mesh.ask(1, strike) else { panic!() };
    assert_eq!(after(&mut mesh, 1, "notes", last), json!({"a": 1}));
    assert_eq!(after(&mut mesh, 1, "notes", first), json!({"a": 1}));
    let refused = read(&mut mesh, 1, "notes", At::Event(event.to_string())).unwrap_err();
    assert!(refused.contains("control lane"), "{refused}");
}

#[test]
fn a_board_is_read_as_it_was_and_before_it_was_there() {
    // SPEC: PAST-1, PRJ-10
    let mut mesh = Mesh::of(&[]);
    let before = set(&mut mesh, 1, "notes/a", json!(1));
    let made = mesh.ask(1, Command::CreateBoard { name: "garden".to_owned() });
    let Reply::BoardMade { event: made, .. } = made else { panic!("{made:?}") };
    let path = "boards/garden/notes/soil";
    let clay = set(&mut mesh, 1, path, json!("clay"));
    set(&mut mesh, 1, path, json!("loam"));
    // A board that is not held is opened for it.
    mesh.restart(1);
    assert_eq!(after(&mut mesh, 1, path, clay), "clay");
    assert_eq!(after(&mut mesh, 1, "boards/garden/notes", made), json!({}));
    let absent = after(&mut mesh, 1, "boards/garden/notes", before);
    assert_eq!(absent, "there was nothing at \"boards/garden\" then");
    let values: Vec<_> = rows(&mut mesh, 1, path).into_iter().map(|row| row.0).collect();
    assert_eq!(values, ["clay", "loam"]);
}

#[test]
fn a_time_shows_what_stamps_say_was_written_by_then_whatever_a_clock_says() {
    // SPEC: PAST-2, EVT-8
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let start = mesh.now.wall_us;
    mesh.wait(3_600_000);
    set(&mut mesh, 1, "notes/a", json!("one"));
    let between = Stamp(mesh.now.wall_us + 60_000_000);
    mesh.wait(3_600_000);
    set(&mut mesh, 1, "notes/a", json!("two"));
    let then = |mesh: &mut Mesh, until| {
        read(mesh, 1, "notes/a", At::Time(until)).map_or(Json::Null, |read| read.read.value)
    };
    assert_eq!(then(&mut mesh, between), "one");
    assert_eq!(then(&mut mesh, Stamp(start)), Json::Null);
    assert_eq!(then(&mut mesh, Stamp(0)), Json::Null);
    let now = Stamp(mesh.now.wall_us + 1);
    assert_eq!(then(&mut mesh, now), "two");

    // Its clock is of 1970, and then of a far future: what it builds on is no younger by that.
    let right = mesh.now;
    let at = |wall_us, now: Time| Time { wall_us, monotonic_ms: now.monotonic_ms + 1_000 };
    mesh.now = at(0, right);
    set(&mut mesh, 2, "notes/a", json!("1970"));
    mesh.now = at(right.wall_us, mesh.now);
    assert_eq!(then(&mut mesh, between), "one");
    mesh.cut(link);
    mesh.now = at(right.wall_us + 10_000_000_000_000, mesh.now);
    set(&mut mesh, 2, "notes/b", json!("ahead"));
    mesh.now = at(right.wall_us + 60_000_000, mesh.now);
    mesh.connect(1, 2);
    set(&mut mesh, 1, "notes/a", json!("after that"));
    let now = Stamp(mesh.now.wall_us + 1);
    assert_eq!(then(&mut mesh, now), "after that");
    assert_eq!(then(&mut mesh, between), "one");
}

#[test]
fn every_value_is_listed_with_who_wrote_it_and_what_it_lost_to() {
    // SPEC: PAST-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    let first = set(&mut mesh, 1, "notes/a", json!("rain"));
    mesh.cut(link);
    let mine = set(&mut mesh, 1, "notes/a", json!("sun"));
    let others = set(&mut mesh, 2, "notes/a", json!("snow"));
    mesh.connect(1, 2);
    let shown: Json = serde_json::from_str(&mesh.get(1, "notes/a")).unwrap();
    let (won, lost) = if shown == "sun" { (mine, others) } else { (others, mine) };
    for number in [1, 2] {
        let (rows, older) = history(&mut mesh, number, "notes/a", 100);
        assert_eq!((rows.len(), older), (3, 0));
        assert_eq!((rows[0].event, rows[0].device), (Some(first), Some(id(1))));
        assert!(!rows[0].current && rows[0].lost_to.is_none(), "it was replaced by who knew it");
        let of = |event| rows.iter().find(|row| row.event == Some(event)).unwrap();
        assert_eq!((of(won).current, of(won).lost_to), (true, None));
        assert_eq!((of(lost).current, of(lost).lost_to), (false, Some(won)));
        assert_eq!(of(others).device, Some(id(2)));
        assert!(rows.iter().all(|row| row.time.is_some() && !row.removed));
    }
    let Reply::Conflicts(ConflictPage { conflicts, .. }) = mesh.ask(1, Command::Conflicts) else {
        panic!()
    };
    mesh.edit(2, json!([{"resolve": conflicts[0].id, "value": "hail"}]));
    let gone = mesh.edit(1, json!([{"rm": "notes/a"}]));
    let (rows, _) = history(&mut mesh, 2, "notes/a", 100);
    let [.., hail, last] = &rows[..] else { panic!() };
    assert_eq!((&hail.value, hail.current, hail.removed), (&json!("hail"), false, false));
    assert_eq!((&last.value, last.current, last.removed), (&Json::Null, true, true));
    assert_eq!(last.event, Some(gone));
    assert!(rows.iter().any(|row| row.event == Some(lost) && row.lost_to == Some(won)));
    // The newest are what is asked for first.
    let (newest, older) = history(&mut mesh, 2, "notes/a", 2);
    assert_eq!((&newest[..], older), (&rows[3..], 4), "and the change that made `notes`");
}

#[test]
fn an_edit_that_a_removal_did_not_know_is_listed_as_lost_to_it() {
    // SPEC: PAST-3, CFL-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    set(&mut mesh, 1, "tasks/1", json!({"title": "pack", "state": "open"}));
    mesh.cut(link);
    let removal = mesh.edit(1, json!([{"rm": "tasks/1"}]));
    set(&mut mesh, 2, "tasks/1/state", json!("done"));
    mesh.connect(1, 2);
    for path in ["tasks/1/state", "tasks/1"] {
        let rows = rows(&mut mesh, 2, path);
        let lost: Vec<_> = rows.iter().filter(|row| row.2.is_some()).collect();
        assert_eq!(lost.len(), 1, "{path}: {rows:?}");
        assert_eq!(lost[0].2, Some(removal), "{path}");
        assert!(lost[0].0.to_string().contains("done"), "{path}");
        let current: Vec<_> = rows.iter().filter(|row| row.1).collect();
        assert_eq!(current, [&(Json::Null, true, None)], "{path}");
    }
}

#[test]
fn what_stood_in_another_object_of_that_path_is_in_its_history() {
    // SPEC: PAST-3
    let mut mesh = Mesh::of(&[]);
    set(&mut mesh, 1, "notes/m", json!({"list": [1, 2], "text": "a"}));
    mesh.edit(1, json!([{"append": "notes/m/text", "value": "b"}]));
    set(&mut mesh, 1, "notes/other", json!(0));
    set(&mut mesh, 1, "notes/m", json!({"text": "c"}));
    set(&mut mesh, 1, "notes/m", json!(7));
    let values = |mesh: &mut Mesh, path| {
        rows(mesh, 1, path).into_iter().map(|row| row.0).collect::<Vec<_>>()
    };
    assert_eq!(
        values(&mut mesh, "notes/m/text"),
        [json!("a"), json!("ab"), json!("c"), Json::Null]
    );
    assert_eq!(values(&mut mesh, "notes/m/list/1"), [json!(2), Json::Null]);
    assert_eq!(values(&mut mesh, "notes/m").last(), Some(&json!(7)));
    let never = PastCommand::History { path: "notes/never".parse().unwrap(), limit: 1 };
    assert!(past(&mut mesh, 1, never).is_err());
}

#[test]
fn devices_list_the_same_history_and_one_value_of_it_stands() {
    // SPEC: PAST-3
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let (mut undone, mut repeated) = (0, 0);
    for round in 0..6_u32 {
        let links = [(1, 2), (2, 3)].map(|(a, b)| mesh.connect(a, b));
        links.into_iter().for_each(|link| mesh.cut(link));
        for number in 1..=3 {
            for turn in 0..(u32::from(number) + round) % 3 {
                let value = json!([round, number, turn]).to_string();
                set(&mut mesh, number, "notes/a", json!(value));
            }
            if (u32::from(number) + round) % 3 == 0 && mesh.get(number, "notes") != "{}" {
                // What stands there already, once more.
                let value: Json = serde_json::from_str(&mesh.get(number, "notes/a")).unwrap();
                set(&mut mesh, number, "notes/a", value);
            }
            if (u32::from(number) * 7 + round) % 5 == 0 && mesh.get(number, "notes") != "{}" {
                mesh.edit(number, json!([{"rm": "notes/a"}]));
            }
        }
        mesh.connect(1, 2);
        mesh.connect(2, 3);
        if let Some(conflict) = mesh.conflicts(1).first().map(|row| row.id) {
            let decision = mesh.edit(2, json!([{"resolve": conflict, "keep": "A"}]));
            // By force: a side that removed comes back by nothing.
            let reply = mesh.undo(2, Some(decision), true);
            assert!(matches!(reply, Reply::Undone(_)), "{reply:?}");
            undone += 1;
        }
        if round % 2 == 1 {
            // And where everybody knows it, which is no row of its own.
            let value: Json = serde_json::from_str(&mesh.get(3, "notes/a")).unwrap();
            set(&mut mesh, 3, "notes/a", value);
            repeated += 1;
        }
        let (here, _) = history(&mut mesh, 1, "notes/a", 100);
        for number in [2, 3] {
            assert_eq!(history(&mut mesh, number, "notes/a", 100).0, here, "round {round}");
        }
        let current: Vec<_> = here.iter().filter(|row| row.current).collect();
        let now: Json = serde_json::from_str(&mesh.get(1, "notes")).unwrap();
        let now = now.get("a").cloned().unwrap_or_default();
        assert_eq!(current.len(), 1, "round {round}: {here:#?}");
        assert_eq!(current[0].value, now, "round {round}");
    }
    assert!(undone > 1 && repeated > 1);
}

#[test]
fn events_are_found_by_what_they_say_and_who_wrote_them() {
    // SPEC: PAST-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let rain = set(&mut mesh, 1, "notes/today", json!({"weather": "Heavy Rain", "degrees": 12}));
    mesh.wait(60_000);
    let since = Stamp(mesh.now.wall_us);
    let task = set(&mut mesh, 2, "tasks/1", json!({"title": "buy an umbrella"}));
    let looking = |text: &str| Search { text: Some(text.to_owned()), ..Search::default() };
    let ids = |found: &[FoundRow]| found.iter().filter_map(|row| row.row.id).collect::<Vec<_>>();
    for (text, found) in [
        ("heavy rain", rain),
        ("WEATHER", rain),
        ("today/degrees: 12", rain),
        ("umbrella", task),
        (&task.to_string()[..12], task),
    ] {
        assert_eq!(ids(&search(&mut mesh, 1, looking(text))), [found], "{text}");
    }
    let said = search(&mut mesh, 1, looking("umbrella"));
    assert_eq!(said[0].found.as_deref(), Some("1/title: buy an umbrella"));
    assert!(search(&mut mesh, 1, looking("nobody wrote this")).is_empty());
    let of = |device| Search { device: Some(device), ..Search::default() };
    let second = search(&mut mesh, 1, of(id(2)));
    assert!(ids(&second).contains(&task) && !ids(&second).contains(&rain));
    let named = Search { named: vec![id(2)], ..looking("a name of it") };
    let named = ids(&search(&mut mesh, 1, named));
    assert!(named.contains(&task) && !named.contains(&rain));
    let kinds =
        search(&mut mesh, 1, Search { kind: Some("grant".to_owned()), ..Search::default() });
    assert_eq!(kinds.len(), 1);
    let late = search(&mut mesh, 1, Search { since: Some(since), ..looking("t") });
    assert!(ids(&late).contains(&task) && !ids(&late).contains(&rain));
    let long = Search { text: Some("x".repeat(2_000)), ..Search::default() };
    assert!(past(&mut mesh, 1, PastCommand::Search(long)).is_err());
}

#[test]
fn who_looks_for_nothing_or_for_no_kind_is_told_which_kinds_there_are() {
    // SPEC: PAST-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    mesh.connect(1, 2);
    let event = set(&mut mesh, 1, "notes/a", json!(1));
    mesh.ask(1, Command::Undo { begin: Some(event.to_string()), force: false });
    let Reply::Log(page) = mesh.ask(1, Command::Log { from: 0, limit: 100 }) else { panic!() };
    let used: BTreeSet<_> = page.rows.iter().map(|row| row.kind.clone()).collect();
    assert!(["change", "undo", "grant", "genesis"].iter().all(|kind| used.contains(*kind)));
    for kind in used.iter().map(String::as_str).chain(["unknown-77", "join"]) {
        let of = Search { kind: Some(kind.to_owned()), ..Search::default() };
        let rows = search(&mut mesh, 1, of);
        assert_eq!(rows.is_empty(), !used.contains(kind), "{kind}");
    }
    let asked = |text: Option<&str>, kind: Option<&str>| {
        let (text, kind) = (text.map(str::to_owned), kind.map(str::to_owned));
        Command::Past(PastCommand::Search(Search { text, kind, ..Search::default() }))
    };
    for (text, kind) in [(None, Some("nonsense")), (None, Some("")), (Some(" "), None)] {
        let Reply::Failed(failure) = mesh.ask(1, asked(text, kind)) else { panic!("{kind:?}") };
        assert_eq!(failure.kind, FailureKind::Usage);
        let hint = failure.hint.unwrap();
        let named = used.iter().all(|kind| hint.contains(kind.as_str()));
        assert_eq!(named, kind.is_some(), "{hint}");
    }
}

#[test]
fn a_history_lists_so_many_values_and_says_how_many_are_older() {
    // SPEC: PAST-5
    let mut mesh = Mesh::of(&[]);
    let many = HISTORY_ROWS_MAX + 20;
    for value in 0..many {
        set(&mut mesh, 1, "notes/a", json!(value));
    }
    let (rows, older) = history(&mut mesh, 1, "notes/a", usize::MAX);
    // The oldest change made `notes`, too.
    assert_eq!((rows.len(), older), (HISTORY_ROWS_MAX, many + 1 - HISTORY_ROWS_MAX));
    assert_eq!((&rows[0].value, &rows.last().unwrap().value), (&json!(20), &json!(many - 1)));
}

#[test]
fn a_page_of_a_search_ends_with_so_many_events_and_all_pages_are_the_whole() {
    // SPEC: PAST-5
    let mut mesh = Mesh::of(&[]);
    for value in 0..SEARCH_PAGE_EVENTS {
        set(&mut mesh, 1, "notes/a", json!(format!("rain {value}")));
    }
    let (mut from, mut found, mut ends) = (0, 0, Vec::new());
    loop {
        let text = Some("rain".to_owned());
        let asked = PastCommand::Search(Search { from, text, ..Search::default() });
        let Ok(PastReply::Found(page)) = past(&mut mesh, 1, asked) else { panic!() };
        found += page.rows.len();
        let Some(next) = page.next else { break };
        assert!(next > from && next - from <= SEARCH_PAGE_EVENTS, "{from} to {next}");
        ends.push(next - from);
        from = next;
    }
    assert_eq!(found, SEARCH_PAGE_EVENTS, "each is found once");
    assert_eq!(ends[0], SEARCH_PAGE_EVENTS);
}

#[test]
fn a_history_of_a_map_tells_no_removal_that_nobody_made() {
    // SPEC: PAST-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/a", "rain");
    mesh.cut(link);
    for (number, path) in [(1, "notes/b"), (2, "notes/c"), (1, "notes/d")] {
        mesh.set(number, path, "sun");
    }
    mesh.connect(1, 2);
    mesh.set(1, "notes/e", "wind");
    let (rows, _) = history(&mut mesh, 1, "notes", 100);
    let above = [None].into_iter().chain(rows.iter().map(Some));
    let lines: Vec<_> = rows
        .iter()
        .zip(above)
        .map(|(row, above)| present::to_text(&present::history_row(row, above, &BTreeMap::new())))
        .collect();
    assert_eq!(rows.len(), 6, "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("removed")), "{lines:?}");
    let follows: Vec<_> = rows.iter().map(|row| row.follows).collect();
    // What was written apart stands between, and what joins both shows more than either.
    assert!(!follows[0] && !follows[5] && follows[2..5].contains(&false), "{follows:?}");
    assert!(lines[5].contains(r#"{"a":"rain","b":"sun","c":"sun","d":"sun","e":"wind"}"#));
    mesh.set(1, "notes/e", "calm");
    let (rows, _) = history(&mut mesh, 1, "notes", 100);
    assert!(rows[6].follows);
    let row = present::history_row(&rows[6], Some(&rows[5]), &BTreeMap::new());
    assert!(present::to_text(&row).contains(r#"  e: "wind" -> "calm"  stands now"#));
}
