//! The timeline of devices that wrote apart.

use std::collections::{BTreeMap, BTreeSet};

use kernelos_protocol::command::{
    Command, FailureKind, Reply, TimelineAt, TimelineFlag, TimelinePage, TimelineQuery, TimelineRow,
};
use kernelos_protocol::limits::TIMELINE_EVENTS_MAX;
use kernelos_protocol::notice::NoticeKind;
use kernelos_protocol::present;
use kernelos_protocol::role::Role;

use super::mesh::{Mesh, id};

fn query(at: TimelineAt, folded: bool) -> TimelineQuery {
    TimelineQuery { at, limit: TIMELINE_EVENTS_MAX, folded, lanes: Vec::new() }
}

#[track_caller]
fn page(mesh: &mut Mesh, number: u8, query: TimelineQuery) -> TimelinePage {
    match mesh.ask(number, Command::Timeline(query)) {
        Reply::Timeline(page) => *page,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clock_of_1970_is_said_to_be_wrong_by_every_list_of_events_and_so_is_what_it_sees() {
    // SPEC: CFL-17, EVT-8, TIME-3
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.cut(link);
    let right = mesh.now;
    mesh.restart_at(2, 7_000_000);
    mesh.set(2, "notes/a", "of 1970");
    // By that clock it is the others' that is wrong.
    let row = |mesh: &mut Mesh, number: u8, newest: usize| {
        let row = page(mesh, number, query(TimelineAt::Newest, false)).rows.remove(newest);
        let told = present::timeline_row(&row, &BTreeMap::new()).text;
        assert_eq!(present::log_row(&row.event, &BTreeMap::new()).0.len(), 1);
        let log = present::to_text(&present::log_row(&row.event, &BTreeMap::new()));
        assert_eq!(log.contains("clock"), told.contains("clock"), "{log}");
        (row, told)
    };
    let (of_own, told) = row(&mut mesh, 2, 0);
    assert!(told.contains("1970-01-01 00:00:07 UTC (its clock was wrong)"), "{told}");
    assert!(of_own.event.clock_wrong && !of_own.event.stamp_ahead);
    let (before, told) = row(&mut mesh, 2, 1);
    assert!(told.ends_with("UTC (its clock was wrong)"), "{told}");
    assert!(before.event.clock_wrong && before.event.stamp_ahead);

    mesh.now = right;
    mesh.connect(1, 2);
    mesh.set(1, "notes/b", "of now");
    let (mine, told) = row(&mut mesh, 1, 0);
    assert!(!mine.event.clock_wrong && !told.contains("clock"), "{told}");
    assert_eq!(mine.quiet_s, None, "a time of 1970 is no time of quiet");
    let (theirs, told) = row(&mut mesh, 1, 1);
    assert!(theirs.event.clock_wrong && told.contains("1970-01-01"), "{told}");
    assert!(told.contains("UTC (its clock was wrong)"), "{told}");
    let begin = theirs.event.id.unwrap().to_string();
    let Reply::Event(view) = mesh.ask(1, Command::Event { begin }) else { panic!() };
    let shown = present::to_text(&present::event(&view, &BTreeMap::new()));
    assert!(shown.contains("1970-01-01 00:00:07 UTC (its clock was wrong)"), "{shown}");
}

#[test]
fn a_clock_that_was_some_hours_behind_when_the_workspace_was_made_is_not_said_to_be_wrong() {
    // SPEC: CFL-17
    for (behind_h, is_wrong) in [(0_u64, false), (23, false), (25, true)] {
        let mut mesh = Mesh::of(&[(2, Role::Member)]);
        let link = mesh.connect(1, 2);
        mesh.cut(link);
        let (right, founded) = (mesh.now, {
            let workspace = mesh.device(1).replica.workspace();
            let first = workspace.order(0).next().copied().unwrap();
            workspace.header(&first).unwrap().stamp
        });
        mesh.restart_at(2, founded.0 - behind_h * 3_600_000_000);
        mesh.set(2, "notes/a", "there");
        mesh.now = right;
        mesh.connect(1, 2);
        let newest = page(&mut mesh, 1, query(TimelineAt::Newest, false)).rows.remove(0);
        assert_eq!(
            (newest.event.author, newest.event.clock_wrong),
            (id(2), is_wrong),
            "{behind_h}"
        );
    }
}

#[test]
fn a_genesis_that_was_stamped_a_week_ahead_does_not_say_that_all_others_are_wrong() {
    // SPEC: CFL-17
    for (others, is_wrong) in [(&[2_u8, 3][..], false), (&[2][..], true)] {
        let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
        let links = [2, 3].map(|number| mesh.connect(1, number));
        links.into_iter().for_each(|link| mesh.cut(link));
        let ahead = mesh.now;
        for number in others {
            mesh.restart_at(*number, ahead.wall_us - 7 * 24 * 3_600_000_000);
            mesh.set(*number, &format!("notes/n{number}"), "there");
        }
        mesh.now = ahead;
        for number in [2, 3] {
            mesh.connect(1, number);
        }
        let rows = page(&mut mesh, 1, query(TimelineAt::Newest, false)).rows;
        let of_others: Vec<_> = rows
            .iter()
            .filter(|row| row.event.kind == "change" && row.event.author != id(1))
            .map(|row| row.event.clock_wrong)
            .collect();
        assert_eq!(of_others, vec![is_wrong; others.len()]);
    }
}

fn flagged(page: &TimelinePage, flag: TimelineFlag) -> Vec<&TimelineRow> {
    page.rows.iter().filter(|row| row.is(flag)).collect()
}

#[test]
fn the_causal_index_is_kept_and_every_event_stands_after_what_it_follows() {
    // SPEC: TIME-1
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.connect(2, 3);
    mesh.cut(link);
    for n in 0..3 {
        mesh.set(1, &format!("notes/a{n}"), "here");
        mesh.set(2, &format!("notes/b{n}"), "there");
    }
    let before = page(&mut mesh, 1, query(TimelineAt::Newest, false));
    mesh.connect(1, 2);
    mesh.set(1, "notes/c", "joined");
    let after = page(&mut mesh, 1, query(TimelineAt::Newest, false));
    assert!(after.total > before.total && after.total == after.rows.len());
    for row in &after.rows {
        assert!(row.follows.iter().all(|of| of.index < row.index), "{row:?}");
        let there = before.rows.iter().find(|known| known.event.id == row.event.id);
        assert!(there.is_none_or(|known| known.index == row.index));
        let named = after.rows.iter().any(|of| of.follows.iter().any(|at| at.index == row.index));
        assert_eq!(row.followed, named, "{row:?}");
    }
    let newest = &after.rows[0];
    let authors: Vec<_> = newest.follows.iter().map(|of| of.author).collect();
    assert_eq!(authors, [id(1), id(2)], "the edit after the meeting merges both lines");
    assert_eq!(newest.graph, "○─╮");
    // By its id an event is found, wherever it stands.
    let first = before.rows.last().unwrap();
    let begin = first.event.id.unwrap().to_string();
    let around = TimelineQuery { limit: 2, ..query(TimelineAt::Event(begin), false) };
    assert_eq!(page(&mut mesh, 1, around).rows.last().unwrap().event.id, first.event.id);
    let wrong = query(TimelineAt::Event("xyz".to_owned()), false);
    let Reply::Failed(failure) = mesh.ask(1, Command::Timeline(wrong)) else { panic!() };
    assert_eq!(failure.kind, FailureKind::Usage);
}

#[test]
fn who_is_in_conflict_is_shown_until_it_is_resolved() {
    // SPEC: TIME-3, TIME-4
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    mesh.set(1, "notes/x", "before");
    mesh.cut(link);
    for n in 0..5 {
        mesh.set(1, &format!("notes/a{n}"), "here");
        if n == 2 {
            mesh.set(1, "notes/x", "one");
        }
    }
    mesh.set(2, "notes/x", "two");
    let calm = page(&mut mesh, 1, query(TimelineAt::Newest, true));
    assert_eq!(flagged(&calm, TimelineFlag::Conflict).len(), 0);
    assert_eq!(calm.rows[0].events, 7, "one line of edits: {:?}", calm.rows[0]);
    mesh.connect(1, 2);
    let torn = page(&mut mesh, 1, query(TimelineAt::Newest, true));
    let sides = flagged(&torn, TimelineFlag::Conflict);
    assert_eq!(sides.iter().map(|row| row.event.author).collect::<Vec<_>>(), [id(2), id(1)]);
    assert!(sides.iter().all(|row| row.events == 1), "never folded");
    let own = flagged(&torn, TimelineFlag::Own);
    assert!(own.iter().all(|row| row.event.author == id(1)) && own.len() > 3);
    let keep = serde_json::json!([{"resolve": mesh.conflicts(1)[0].id, "keep": "A"}]);
    mesh.edit(1, keep);
    let calm = page(&mut mesh, 1, query(TimelineAt::Newest, true));
    assert_eq!(flagged(&calm, TimelineFlag::Conflict).len(), 0);
    // Taken back: who wrote the values is in conflict again, beside what put them back.
    let undone = mesh.undone(1, None);
    let torn = page(&mut mesh, 1, query(TimelineAt::Newest, true));
    let again: Vec<_> = flagged(&torn, TimelineFlag::Conflict);
    assert!(again.iter().all(|row| row.events == 1), "never folded");
    let ids = |rows: &[&TimelineRow]| -> BTreeSet<_> {
        rows.iter().filter_map(|row| row.event.id).collect()
    };
    let wrote = ids(&sides);
    let puts: BTreeSet<_> = undone.also.into_iter().chain([undone.event]).collect();
    assert_eq!(ids(&again), &wrote | &puts);
}

#[test]
fn what_is_kept_apart_and_what_was_noticed_stand_alone() {
    // SPEC: TIME-3, TIME-4
    let mut mesh = Mesh::of(&[(2, Role::Member), (3, Role::Member)]);
    let first = mesh.connect(1, 2);
    let second = mesh.connect(2, 3);
    mesh.set(2, "notes/a", "good");
    mesh.cut(first);
    mesh.ask(1, Command::Revoke { device: id(2), reason: String::new() });
    let (device, reason) = (id(2), "not_member".to_owned());
    mesh.ask(1, Command::Notice { kind: NoticeKind::Peer, device, reason });
    mesh.set(2, "notes/b", "evil");
    mesh.cut(second);
    mesh.connect(3, 1);
    let page = page(&mut mesh, 3, query(TimelineAt::Newest, true));
    let apart = flagged(&page, TimelineFlag::Quarantined);
    assert_eq!(apart.iter().map(|row| row.event.author).collect::<Vec<_>>(), [id(2)]);
    let revoked: Vec<_> = page.rows.iter().filter(|row| row.event.kind == "revoke").collect();
    assert_eq!(revoked.iter().map(|row| row.about).collect::<Vec<_>>(), [Some(id(2))]);
    let here = self::page(&mut mesh, 1, query(TimelineAt::Newest, true));
    let notices: Vec<_> = here.rows.iter().filter(|row| row.events == 0).collect();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].event.reason.as_deref(), Some("not_member"));
}

#[test]
fn a_page_asks_no_board_again_of_whose_conflicts_it_knows() {
    // SPEC: TIME-5
    let mut mesh = Mesh::of(&[(2, Role::Member)]);
    let link = mesh.connect(1, 2);
    for name in ["a", "b"] {
        mesh.ask(1, Command::CreateBoard { name: name.to_owned() });
    }
    mesh.cut(link);
    for number in [1, 2] {
        for name in ["a", "b"] {
            mesh.set(number, &format!("boards/{name}/notes/x"), &number.to_string());
        }
    }
    mesh.connect(1, 2);
    // Nothing is open but the root.
    mesh.restart(1);
    mesh.connect(1, 2);
    let in_conflict = |mesh: &mut Mesh| {
        let page = page(mesh, 1, query(TimelineAt::Newest, false));
        flagged(&page, TimelineFlag::Conflict).len()
    };
    let told = |mesh: &mut Mesh| mesh.device(1).told.len();
    assert_eq!(in_conflict(&mut mesh), 4);
    mesh.set(1, "notes/root", "another document");
    let before = told(&mut mesh);
    assert_eq!((in_conflict(&mut mesh), told(&mut mesh)), (4, before), "no board is opened");
    mesh.set(2, "boards/a/notes/x", "resolved");
    let before = told(&mut mesh);
    assert_eq!(in_conflict(&mut mesh), 2);
    let after = told(&mut mesh);
    assert_eq!((in_conflict(&mut mesh), told(&mut mesh)), (2, after));
    assert!(after <= before + 1, "the other board is not opened");
}
