//! Pages of histories that are made up.

use super::*;
use crate::command::TimelineRow;
use crate::id::{EventId, Incarnation, Lane};

fn id(at: usize) -> EventId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&(at as u64).to_be_bytes());
    EventId(id)
}

/// An edit by this device, a second after the one before.
fn edit(at: usize, device: u8, follows: &[usize]) -> Look {
    let author = DeviceId([device; 32]);
    let stamp = |at: usize| Stamp(at as u64 * 1_000_000);
    let before = |at: &usize| Follow { index: *at, id: id(*at), author };
    Look {
        event: LogRow {
            id: Some(id(at)),
            author,
            incarnation: Some(Incarnation([device; 8])),
            seq: Some(at as u64),
            lane: Some(Lane::Content),
            kind: "change".to_owned(),
            parents: follows.iter().map(|at| id(*at)).collect(),
            stamp: stamp(at),
            stamp_ahead: false,
            clock_wrong: false,
            verdict: Some(Verdict::Admitted),
            reason: None,
            times: None,
        },
        about: None,
        follows: follows.iter().map(before).collect(),
        since: follows.iter().map(|at| stamp(*at)).max().unwrap_or_default(),
        followed: true,
        named: false,
        flags: Vec::new(),
    }
}

/// One device alone.
fn straight(at: usize) -> Look {
    edit(at, 1, &at.checked_sub(1).into_iter().collect::<Vec<_>>())
}

fn query(at: TimelineAt, limit: usize, folded: bool) -> TimelineQuery {
    TimelineQuery { at, limit, folded, lanes: Vec::new() }
}

fn spans(page: &TimelinePage) -> Vec<(usize, usize)> {
    page.rows.iter().map(|row| (row.first(), row.index)).collect()
}

#[test]
fn a_page_costs_what_it_covers_and_not_what_there_is() {
    // SPEC: TIME-1
    for folded in [false, true] {
        let mut costs = Vec::new();
        for total in [5_000, 100_000] {
            for at in [TimelineAt::Newest, TimelineAt::Before(3_000), TimelineAt::Around(2_000)] {
                let mut looks = 0;
                let mut look = |at| {
                    looks += 1;
                    Some(straight(at))
                };
                let query = query(at, usize::MAX, folded);
                let page = page(total, &query, &mut look, Vec::new());
                assert_eq!(page.total, total);
                let covers = page.to - page.from;
                assert!(covers <= TIMELINE_EVENTS_MAX + 2 * TIMELINE_BLOCK, "{covers}");
                assert_eq!(looks, covers + 1);
                costs.push(looks);
            }
        }
        assert!(costs.iter().all(|looks| *looks <= 641), "{costs:?}");
    }
}

#[test]
fn pages_meet_without_a_gap() {
    // SPEC: TIME-1
    let cases = [
        (TimelineAt::Newest, (990, 1_000)),
        (TimelineAt::Before(990), (980, 990)),
        (TimelineAt::Before(4), (0, 4)),
        (TimelineAt::Before(0), (0, 0)),
        (TimelineAt::Before(usize::MAX), (990, 1_000)),
        (TimelineAt::After(989), (990, 1_000)),
        (TimelineAt::After(usize::MAX), (1_000, 1_000)),
        (TimelineAt::Around(0), (0, 10)),
        (TimelineAt::Around(500), (495, 505)),
        (TimelineAt::Around(usize::MAX), (990, 1_000)),
    ];
    for (at, expected) in cases {
        assert_eq!(span(1_000, &query(at.clone(), 10, false)), expected, "{at:?}");
    }
    assert_eq!(span(0, &query(TimelineAt::Newest, 10, true)), (0, 0));
}

#[test]
fn edits_of_one_device_fold_alike_wherever_a_page_begins() {
    // SPEC: TIME-3
    let whole =
        page(300, &query(TimelineAt::Newest, 300, true), &mut |at| Some(straight(at)), Vec::new());
    assert_eq!(spans(&whole), [(256, 299), (192, 255), (128, 191), (64, 127), (0, 63)]);
    assert_eq!(whole.rows[1].events, 64);
    assert!(whole.rows.iter().all(|row| row.graph == "◎"), "one line: {:?}", whole.rows);
    for before in 1..300 {
        let query = query(TimelineAt::Before(before), 40, true);
        let part = page(300, &query, &mut |at| Some(straight(at)), Vec::new());
        for row in spans(&part) {
            assert!(spans(&whole).contains(&row), "{before}: {row:?}");
        }
    }
    let open =
        page(300, &query(TimelineAt::Newest, 10, false), &mut |at| Some(straight(at)), Vec::new());
    assert_eq!(open.rows.len(), 10);
}

#[test]
fn what_a_person_should_see_is_never_folded() {
    // SPEC: TIME-3
    type Change = fn(&mut Look);
    let changes: [(&str, Change); 10] = [
        ("conflict", |look| look.flags.push(TimelineFlag::Conflict)),
        ("failed", |look| look.flags.push(TimelineFlag::Failed)),
        ("refused", |look| look.flags.push(TimelineFlag::Refused)),
        ("void", |look| look.event.verdict = Some(Verdict::Void)),
        ("quarantined", |look| look.event.verdict = Some(Verdict::Quarantined)),
        ("a reason", |look| look.event.reason = Some("taken back by 1f2e".to_owned())),
        ("a clock that was wrong", |look| look.event.clock_wrong = true),
        ("no edit", |look| look.event.kind = "undo".to_owned()),
        ("another device", |look| look.event.author = DeviceId([9; 32])),
        ("another life", |look| look.event.incarnation = Some(Incarnation([9; 8]))),
    ];
    let of = |change: Option<Change>| {
        let mut look = |at| {
            let mut look = straight(at);
            change.filter(|_| at == 20).into_iter().for_each(|change| change(&mut look));
            Some(look)
        };
        spans(&page(40, &query(TimelineAt::Newest, 40, true), &mut look, Vec::new()))
    };
    assert_eq!(of(None), [(0, 39)]);
    for (name, change) in changes {
        assert_eq!(of(Some(change)), [(21, 39), (20, 20), (0, 19)], "{name}");
    }
    // Whose clock was always wrong is folded all the same.
    let mut look = |at| {
        let mut look = straight(at);
        look.event.clock_wrong = true;
        Some(look)
    };
    let page_of = page(40, &query(TimelineAt::Newest, 40, true), &mut look, Vec::new());
    assert_eq!(spans(&page_of), [(0, 39)]);
    // Where another builds on it, or it joins two, a run ends and one begins.
    assert_eq!(of(Some(|look| look.named = true)), [(21, 39), (0, 20)]);
    let other = Follow { index: 3, id: id(3), author: DeviceId([2; 32]) };
    let mut look = |at| {
        let mut look = straight(at);
        look.follows.extend((at == 20).then(|| other.clone()));
        Some(look)
    };
    let rows = page(40, &query(TimelineAt::Newest, 40, true), &mut look, Vec::new()).rows;
    let ends: Vec<_> = rows.iter().map(|row| (row.first(), row.index)).collect();
    assert_eq!(ends, [(20, 39), (0, 19)]);
    assert_eq!(rows[0].follows.len(), 2, "the run begins with what it joins");
}

#[test]
fn time_in_which_nothing_happened_is_one_word() {
    // SPEC: TIME-3
    let hour = 3_600 * 1_000_000;
    let quiet = |change: fn(usize, &mut Look)| {
        let mut look = |at| {
            let mut look = straight(at);
            change(at, &mut look);
            Some(look)
        };
        let page = page(10, &query(TimelineAt::Newest, 5, false), &mut look, Vec::new());
        let told = |row: &TimelineRow| Some((row.index, row.quiet_s?));
        page.rows.iter().filter_map(told).collect::<Vec<_>>()
    };
    assert_eq!(quiet(|_, _| ()), []);
    let later = |at: usize, look: &mut Look| {
        let by = |at: usize| if at >= 5 { 3 * 3_600 * 1_000_000 } else { 0 };
        look.event.stamp.0 += by(at);
        look.since.0 += at.checked_sub(1).map_or(0, by);
    };
    assert_eq!(quiet(later), [(5, 3 * 3_600 + 1)], "also where the page begins");
    // What came late says nothing of the time in which it came; nor does a clock that is wrong.
    let late = |at: usize, look: &mut Look| {
        if at != 7 {
            look.event.stamp.0 += 3_600 * 1_000_000;
            look.since.0 += 3_600 * 1_000_000;
        }
    };
    assert_eq!(quiet(late), []);
    let wrong = |at: usize, look: &mut Look| {
        if at == 7 {
            (look.event.stamp, look.event.clock_wrong) = (Stamp(u64::MAX), true);
        }
    };
    assert_eq!(quiet(wrong), []);
    // It ends a run.
    let mut look = |at| {
        let mut look = straight(at);
        look.event.stamp.0 += if at >= 5 { hour } else { 0 };
        look.since.0 += if at > 5 { hour } else { 0 };
        Some(look)
    };
    let page = page(10, &query(TimelineAt::Newest, 10, true), &mut look, Vec::new());
    assert_eq!(spans(&page), [(5, 9), (0, 4)]);
}

#[test]
fn notices_stand_where_they_were_made() {
    // SPEC: TIME-4
    let notice = |after: usize| {
        let mut event = straight(after).event;
        (event.id, event.kind, event.verdict) = (None, "notice".to_owned(), None);
        (after, event)
    };
    let rows = |folded, notices: &[usize]| {
        let notices = notices.iter().map(|after| notice(*after)).collect();
        let query = query(TimelineAt::Newest, 4, folded);
        let page = page(4, &query, &mut |at| Some(straight(at)), notices);
        let row = |row: &TimelineRow| (row.event.kind == "notice", row.index, row.events);
        page.rows.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(rows(true, &[]), [(false, 3, 4)]);
    let expected = [(true, 4, 0), (false, 3, 2), (true, 2, 0), (false, 1, 2), (true, 0, 0)];
    assert_eq!(rows(true, &[0, 2, 4]), expected);
    assert_eq!(rows(false, &[2])[2], (true, 2, 0));
}

#[test]
fn every_mark_has_its_word() {
    // SPEC: TIME-4
    let names = [(DeviceId([1; 32]), "laptop".to_owned())].into();
    let row = |flag: Option<TimelineFlag>| {
        let mut look = |at| {
            let mut look = straight(at);
            look.flags.extend(flag);
            Some(look)
        };
        let query = query(TimelineAt::Newest, 1, false);
        page(4, &query, &mut look, Vec::new()).rows.remove(0)
    };
    let cases = [
        (None, "○", ""),
        (Some(TimelineFlag::Own), "○", ""),
        (Some(TimelineFlag::Failed), "×", "  failed"),
        (Some(TimelineFlag::Refused), "×", "  refused"),
        (Some(TimelineFlag::Void), "×", "  void"),
        (Some(TimelineFlag::Quarantined), "◇", "  quarantined"),
        (Some(TimelineFlag::Conflict), "!", "  in conflict"),
    ];
    for (flag, mark, word) in cases {
        let row = row(flag);
        let who = if flag == Some(TimelineFlag::Own) { " (this device)" } else { "" };
        assert_eq!(row.graph, mark);
        let text = crate::present::timeline_row(&row, &names).text;
        let short = id(3).short();
        assert_eq!(text, format!("{short} laptop{who}  change  1970-01-01 00:00:03 UTC{word}"));
        let sentence = crate::present::timeline_sentence(&row, 4, &names);
        let before = id(2).short();
        assert_eq!(sentence, format!("event 4 of 4: {text}; follows {before} from laptop"));
    }
    assert_eq!(crate::present::ascii("│ ○─┼─╮ ×"), "| *-+-. x");
}

#[test]
fn rows_of_pages_that_meet_are_drawn_as_one_page_draws_them() {
    // SPEC: TIME-2
    let mut look = |at: usize| {
        let far = at.is_multiple_of(35).then(|| at.checked_sub(100)).flatten();
        let follows: Vec<_> = at.checked_sub(3).into_iter().chain(far).collect();
        Some(edit(at, u8::try_from(at % 3).unwrap() + 1, &follows))
    };
    let notices: Vec<_> =
        [128, 300].map(|after| (after, LogRow { id: None, ..straight(0).event })).into();
    let whole = page(300, &query(TimelineAt::Newest, 300, true), &mut look, notices.clone());
    let mut rows = Vec::new();
    for (from, to) in [(192, 300), (128, 192), (64, 128), (0, 64)] {
        let at = TimelineAt::Before(to);
        let of = |(after, _): &&(usize, LogRow)| (from..to).contains(after) || to == *after;
        let notices = notices.iter().filter(|notice| to == 300 || notice.0 < to).filter(of);
        let notices = notices.cloned().collect();
        let part = page(300, &query(at, to - from, true), &mut look, notices);
        assert_eq!((part.from, part.to), (from, to));
        rows.extend(part.rows);
    }
    let graphs = |rows: &[TimelineRow]| -> Vec<_> {
        rows.iter().map(|row| (row.index, row.lane, row.graph.clone(), row.more)).collect()
    };
    assert_ne!(graphs(&rows), graphs(&whole.rows), "each begins anew");
    let mut lanes = Lanes::default();
    rows.iter_mut().for_each(|row| draw(&mut lanes, row));
    assert_eq!(rows, whole.rows);
    assert_eq!(lanes.open(), whole.lanes);
}

#[test]
fn two_lines_of_a_row_say_what_its_one_line_says() {
    // SPEC: TIME-4
    let names = [(DeviceId([1; 32]), "phone".to_owned())].into();
    let mut look = |at| {
        let mut look = straight(at);
        if at == 9 {
            look.flags = vec![TimelineFlag::Own, TimelineFlag::Conflict, TimelineFlag::Failed];
            look.about = Some(DeviceId([1; 32]));
            (look.event.stamp_ahead, look.event.reason) = (true, Some("by mistake".to_owned()));
            look.event.times = Some(3);
        }
        Some(look)
    };
    let rows = page(10, &query(TimelineAt::Newest, 10, true), &mut look, Vec::new()).rows;
    assert_eq!(rows.len(), 2, "a run is one of them");
    for row in &rows {
        let one = crate::present::timeline_row(row, &names);
        let (first, second) = crate::present::timeline_lines(row, &names);
        assert_eq!(first.tone, one.tone);
        let words = |text: &str| -> std::collections::BTreeSet<String> {
            text.split_whitespace().map(str::to_owned).collect()
        };
        let both = format!("{} {}", first.text, second.text);
        assert_eq!(words(&both), words(&one.text));
    }
    let first = crate::present::timeline_lines(&rows[0], &names).0.text;
    assert_eq!(first, "change of phone in conflict, failed  phone (this device)");
}
