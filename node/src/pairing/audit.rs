//! Every attempt to pair: a line in a file, durable before anybody hears of its outcome, and a
//! notice in the log of the workspace that it was for.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};

use kernelos_protocol::command::Command;
use kernelos_protocol::id::{DeviceId, EventId, WorkspaceId, to_hex};
use kernelos_protocol::limits::{PAIRING_INVITATIONS_MAX, PAIRING_OVER_MAX};
use kernelos_protocol::notice::NoticeKind;
use kernelos_protocol::pairing::{InvitationId, PairingCode};

use super::lock;
use crate::clock;
use crate::node::Node;
use crate::portable::spawn;

/// Invitations whose workspace is known: those that the issuer knows.
const INVITATIONS_MAX: usize = PAIRING_INVITATIONS_MAX + PAIRING_OVER_MAX;

/// Bytes of the file of attempts before it is begun anew: some years of people, some minutes of a
/// stranger.
const AUDIT_BYTES_MAX: u64 = 1024 * 1024;

/// How a link of pairing ended. `SPEC: PAIR-15`
pub(super) struct Attempt {
    pub(super) invitation: Option<InvitationId>,
    pub(super) device: DeviceId,
    pub(super) result: Result<EventId, PairingCode>,
}

/// Which workspace invitations were to, the newest last.
#[derive(Default)]
pub(super) struct Audit(Mutex<VecDeque<(InvitationId, WorkspaceId)>>);

impl Audit {
    pub(super) fn opened(&self, invitation: InvitationId, workspace: WorkspaceId) {
        let mut invitations = lock(&self.0);
        if invitations.len() >= INVITATIONS_MAX {
            invitations.pop_front();
        }
        invitations.push_back((invitation, workspace));
    }

    /// Keeps an attempt; `standing` is the workspace of a standing invitation that it was for.
    pub(super) fn keep(&self, node: &Arc<Node>, attempt: &Attempt, standing: Option<WorkspaceId>) {
        // A disk that is full does not keep a person out; what is granted is an event in any case.
        write(node, attempt).ok();
        let opened = || {
            let invitations = lock(&self.0);
            let mut found = invitations.iter().filter(|(id, _)| Some(*id) == attempt.invitation);
            found.next().map(|(_, workspace)| *workspace)
        };
        let workspace = standing.or_else(opened).map(|workspace| workspace.to_string());
        // Who named no invitation is a stranger: it is counted in the file and fills no log.
        let Some(engine) = workspace.and_then(|id| node.engine(Some(&id)).ok()) else { return };
        let reason = match attempt.result {
            Ok(_) => "pairing_granted".to_owned(),
            Err(code) => format!("pairing_refused: {}", code.code()),
        };
        let notice = Command::Notice { kind: NoticeKind::Pairing, device: attempt.device, reason };
        spawn(async move { drop(engine.ask(notice).await) });
    }
}

/// A token that this device itself refuses: nobody else hears of it.
pub(super) fn refused_here(node: &Node, code: &str) {
    append(
        node,
        &serde_json::json!({
            "wall_us": clock::now().wall_us,
            "pairing": null,
            "device": node.device(),
            "granted": null,
            "refused": code,
        }),
    )
    .ok();
}

fn write(node: &Node, attempt: &Attempt) -> io::Result<()> {
    let line = serde_json::json!({
        "wall_us": clock::now().wall_us,
        "pairing": attempt.invitation.map(|id| to_hex(&id.0)),
        "device": attempt.device,
        "granted": attempt.result.ok(),
        "refused": attempt.result.err().map(PairingCode::code),
    });
    append(node, &line)
}

fn append(node: &Node, line: &serde_json::Value) -> std::io::Result<()> {
    append_to(&node.home().home().path().join("audit.jsonl"), line)
}

/// A file that is full is kept beside the new one, in the place of the one before: strangers can
/// write here as often as they connect. `SPEC: PAIR-15`
fn append_to(path: &Path, line: &serde_json::Value) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    if file.metadata()?.len() >= AUDIT_BYTES_MAX {
        fs::rename(path, path.with_extension("jsonl.1"))?;
        file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    }
    writeln!(file, "{line}")?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_end_take_two_files_and_the_last_is_always_there() {
        // SPEC: PAIR-15
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let long = "x".repeat(40_000);
        for number in 0..120 {
            append_to(&path, &serde_json::json!({ "number": number, "long": long })).unwrap();
            let last = fs::read_to_string(&path).unwrap();
            assert!(last.lines().last().unwrap().contains(&format!("\"number\":{number}")));
        }
        let sizes = fs::read_dir(folder.path()).unwrap();
        let sizes: Vec<_> = sizes.map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size < AUDIT_BYTES_MAX + 50_000), "{sizes:?}");
    }
}
