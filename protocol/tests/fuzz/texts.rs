//! What is text: reports of tests, rulebooks, commands, what a node answers, paths, facts
//! of evidence.

use kernelos_protocol::api::{
    Answer, Asked, Entering, Founded, Founding, NodeInfo, PairAnswer, PairAsked, PeersAsked,
    StartAsked, WorkspaceRow,
};
use kernelos_protocol::change::{
    ChangedFile, Entry, MODE_FILE, MODE_LINK, RULEBOOK, Rulebook, admit_change,
};
use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::document::foreign::{Foreign, ForeignFault, plan};
use kernelos_protocol::document::validate::ChangeIndex;
use kernelos_protocol::document::{DocPath, DocumentDone, DocumentTask, Documents};
use kernelos_protocol::id::{ConflictId, DeviceId, DocumentId, EventId};
use kernelos_protocol::limits::{REPORT_NAME_BYTES_MAX, REPORT_TESTS_MAX};
use kernelos_protocol::mission::evidence::{
    ImplementFacts, PlanFacts, ReplayFacts, RunFacts, VerifyFacts, from_json, to_json,
};
use kernelos_protocol::mission::verification::{RUNS, weigh_logs};
use kernelos_protocol::mission::work::CommandLog;
use kernelos_protocol::report::{Outcome, Report, TestState};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::changes::common::check;

/// The first byte says how the command ended.
pub(super) fn report(input: &[u8]) {
    let Some((first, output)) = input.split_first() else { return };
    let outcome = match first {
        b'0'..=b'9' => Outcome::Exited(i32::from(first - b'0')),
        b't' => Outcome::TimedOut,
        _ => Outcome::Killed,
    };
    let report = Report::read(output, outcome);
    // What the command added is one, and each name may carry a number.
    assert!(report.tests.len() <= REPORT_TESTS_MAX + 1);
    let longest = REPORT_NAME_BYTES_MAX + 16;
    assert!(report.tests.keys().all(|name| name.len() <= longest && !name.contains('\u{1b}')));
    // Nobody is told of success where the command failed.
    let is_good = report.faults.is_empty() && report.count(TestState::Failed) == 0;
    assert!(!is_good || outcome.is_success(), "{report:?}");
    assert_eq!(Report::read(output, outcome), report);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

/// A log that a member wrote: what is none is weighed as a run that printed nothing and failed, and
/// one is weighed as every device does.
pub(super) fn log(input: &[u8]) {
    let log = CommandLog::read(input);
    let written = serde_json::to_vec(&log).unwrap();
    assert_eq!(CommandLog::read(&written), log);
    let is_log = serde_json::from_slice::<CommandLog>(input).is_ok();
    assert!(is_log || (!log.ended.is_success() && log.output.is_empty()), "{log:?}");
    let facts = |of: &str| RunFacts { of: of.to_owned(), log: EventId([1; 32]), ms: 1 };
    let runs: Vec<_> = RUNS.into_iter().map(facts).collect();
    let logs = vec![log; runs.len()];
    let verdict = weigh_logs(&runs, &logs, 1).unwrap();
    assert_eq!(weigh_logs(&runs, &logs, 1).as_ref(), Some(&verdict));
    // What is the same on the base and on the candidate shows nothing that the candidate does.
    assert!(!verdict.passed, "{verdict:?}");
}

/// A rulebook; and a path that the real one judges, as a file and as a link to itself.
pub(super) fn rulebook(input: &[u8]) {
    let real = Rulebook::read(RULEBOOK).unwrap();
    for (mode, link_target) in [(MODE_FILE, None), (MODE_LINK, Some(input.to_vec()))] {
        let new = Some(Entry { mode, size: input.len() as u64, link_target });
        let file = ChangedFile { path: input.to_vec(), old: None, new };
        let Ok(admitted) = admit_change(&[file]) else { continue };
        assert_eq!((admitted.files(), admitted.added()), (1, 1));
        let path = std::str::from_utf8(input).unwrap();
        assert!(!path.split('/').any(|part| ["", ".", "..", ".git"].contains(&part)), "{path:?}");
        assert_eq!(real.kind_of(path, mode == MODE_LINK), None);
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(rulebook) = Rulebook::read(text) {
        let known = rulebook.kinds().len();
        assert!(text.lines().take(8).all(|path| rulebook.kinds_of(path, true).count() <= known));
    }
}

pub(super) fn command(input: &[u8]) {
    let Ok(command) = serde_json::from_slice::<Command>(input) else { return };
    let written = serde_json::to_vec(&command).unwrap();
    assert_eq!(serde_json::from_slice::<Command>(&written).unwrap(), command);
}

/// What a local program asks of a node beside commands.
pub(super) fn asked(input: &[u8]) {
    heard::<Founding>(input);
    heard::<Entering>(input);
    heard::<Asked>(input);
    heard::<PairAsked>(input);
    heard::<PeersAsked>(input);
    heard::<StartAsked>(input);
}

/// What a surface hears of a node: whatever it is, it is written as it is read again.
pub(super) fn reply(input: &[u8]) {
    heard::<Reply>(input);
    heard::<Failure>(input);
    heard::<NodeInfo>(input);
    heard::<Answer<PairAnswer>>(input);
    heard::<Answer<Founded>>(input);
    heard::<Answer<WorkspaceRow>>(input);
    heard::<Answer<EventId>>(input);
}

fn heard<T: Serialize + DeserializeOwned>(input: &[u8]) {
    let Ok(said) = serde_json::from_slice::<T>(input) else { return };
    let written = serde_json::to_vec(&said).unwrap();
    let again = serde_json::from_slice::<T>(&written).unwrap();
    assert_eq!(serde_json::to_vec(&again).unwrap(), written);
}

/// What the process says that reads another program's file, which the file may have taken over: it
/// is planned as edits that the validator takes, or refused.
pub(super) fn taken(input: &[u8]) {
    let said = serde_json::from_slice::<Result<Foreign, ForeignFault>>(input);
    let Ok(Ok(found)) = said else { return };
    let Ok(taken) = plan(found, &"notes/x".parse().unwrap()) else { return };
    let (mut documents, document) = (Documents::default(), DocumentId([1; 32]));
    let mut index = ChangeIndex::new();
    for edits in taken.batches {
        let task = DocumentTask::Transact { document, actor: [2; 16], edits };
        let DocumentDone::Transacted(done) = documents.perform(task) else { panic!() };
        // An edit that no document takes, as at an empty key, ends it there with a fault.
        let Ok(made) = done else { return };
        let Some(made) = made else { continue };
        index.insert(check(&index, &made.chunk).unwrap());
    }
}

pub(super) fn path(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(path) = text.parse::<DocPath>() {
        assert_eq!(path.to_string(), text);
        let _ = path.check_writable();
    }
    let ids = [
        text.parse::<DeviceId>().map(|id| id.to_string()).ok(),
        text.parse::<EventId>().map(|id| id.to_string()).ok(),
        text.parse::<ConflictId>().map(|id| id.to_string()).ok(),
    ];
    assert!(ids.iter().flatten().all(|written| written == text));
}

fn same<T: Serialize + DeserializeOwned>(text: &str) {
    if let Some(facts) = from_json::<T>(text) {
        assert_eq!(to_json(&facts), text);
    }
}

pub(super) fn facts(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    same::<PlanFacts>(text);
    same::<ImplementFacts>(text);
    same::<VerifyFacts>(text);
    same::<ReplayFacts>(text);
}
