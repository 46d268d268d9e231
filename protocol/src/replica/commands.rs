//! Commands: when each may run, and what it answers.

use crate::command::{Command, DeviceRow, Failure, FailureKind, Reply, RequestId, Status};
use crate::control::ControlBody;
use crate::document::{Degraded, DocPath, DocumentTask, Edit, POLICIES};
use crate::id::{DeviceId, DocumentId, EventId};
use crate::key::{RecoveryKey, SealingStatement, is_strong};
use crate::limits::{BATCH_EDITS_MAX, CONTROL_TEXT_MAX, NAME_BYTES_MAX};
use crate::notice::NoticeKind;
use crate::replica::documents::{Pending, Purpose, author_failure};
use crate::replica::{LoadFor, Replica};
use crate::role::Role;
use crate::time::Stamp;
use crate::workspace::{AuthorFault, NewMember};

impl Replica {
    /// May `command` run now? What it reads must be complete; a caller's edits may follow one
    /// another, and everything else waits until they are made.
    pub(super) fn is_ready_for(&self, command: &Command) -> bool {
        let editing = self.is_editing();
        // What can be read since a moment ago comes from the store first.
        let is_opening = (self.workspace.held_document().is_none()
            || self.workspace.is_rebuilding())
            && self.loads.iter().any(|load| matches!(load, LoadFor::Bodies(_)));
        match command {
            Command::Status => {
                !self.loads.iter().any(|load| matches!(load, LoadFor::History | LoadFor::Bodies(_)))
                    && self.survey.is_none()
                    && !editing
                    && self.is_answered()
            }
            Command::Rest => self.survey.is_none() && !editing && !self.is_telling(),
            Command::Timeline(_) if !self.must_survey() => true,
            Command::Timeline(_) | Command::Conflicts | Command::ConflictsBehind(_) => {
                self.survey.is_none() && !editing && !is_opening
            }
            Command::Read { .. }
            | Command::Glance { .. }
            | Command::Past(_)
            | Command::Branch(_)
            | Command::Boards { .. }
            | Command::CreateBoard { .. }
            | Command::ArchiveBoard { .. }
            | Command::SetAgent { .. }
            | Command::Grant { .. }
            | Command::Rescue { .. }
            | Command::SaveDocument { .. }
            | Command::Preview { .. }
            | Command::Purge { .. }
            | Command::WriteArtifact { .. } => !editing && !is_opening,
            Command::Edit { edits } => {
                let resolves = edits.iter().any(|edit| edit.conflict().is_some());
                self.may_edit_too() && !is_opening && (self.survey.is_none() || !resolves)
            }
            Command::Undo { .. } => !editing && !is_opening && !self.is_telling(),
            Command::Log { .. }
            | Command::Event { .. }
            | Command::Devices
            | Command::Revoke { .. }
            | Command::Readmit { .. }
            | Command::ReadmitEvent { .. }
            | Command::Strike { .. }
            | Command::Quarantine
            | Command::StartMission(_)
            | Command::CancelMission { .. }
            | Command::Missions
            | Command::Mission { .. }
            | Command::Introduction { .. }
            | Command::Notice { .. }
            | Command::Introduce { .. }
            | Command::TakeTail { .. }
            | Command::TailAnswered { .. }
            | Command::KeepChunks { .. }
            | Command::ReadArtifact { .. }
            | Command::ExportEvents { .. }
            | Command::ImportEvents { .. } => true,
        }
    }

    pub(super) fn perform(&mut self, request: RequestId, command: Command) {
        self.tell_for_turn_of(&command);
        if let Some(failure) = self.refusal(&command) {
            self.reply(request, Reply::Failed(failure));
            return;
        }
        let reply = match command {
            Command::Strike { .. }
            | Command::ReadmitEvent { .. }
            | Command::Purge { .. }
            | Command::Quarantine
            | Command::Preview { .. } => return self.perform_apart(request, command),
            Command::Status
            | Command::Conflicts
            | Command::ConflictsBehind(_)
            | Command::Timeline(_)
            | Command::Boards { .. }
            | Command::SetAgent { .. }
            | Command::CreateBoard { .. }
            | Command::ArchiveBoard { .. } => return self.perform_over_all(request, command),
            Command::Branch(command) => return self.start_branch(request, command),
            Command::Rest => return self.start_glance(Some(request)),
            Command::Read { path } | Command::Glance { path } => {
                return self.start_read(request, path);
            }
            Command::Past(asked) => return self.start_past(request, asked),
            Command::Event { begin } => return self.start_event(request, &begin),
            Command::Introduction { to } => return self.start_introduction(request, &to),
            Command::Introduce { device, events } => self.introduced(&device, events),
            Command::TakeTail { device, events } => self.take_tail(&device, events),
            Command::TailAnswered { device, answer, sent } => self.answered(device, answer, sent),
            Command::Edit { edits } => return self.start_edit(request, edits),
            Command::Undo { begin, force } => return self.start_undo(request, begin, force),
            Command::Log { from, limit } => self.log(from, limit),
            Command::Devices => self.devices(),
            Command::Notice { kind, device, reason } => self.on_notice(kind, device, &reason),
            Command::Grant { device, sealing_key, sealing_signature, role, name, rule, uses } => {
                let sealing = SealingStatement { key: sealing_key, signature: sealing_signature.0 };
                let member = NewMember { device, sealing, role, rule };
                let checked = Self::check_grant(&member, &name);
                match checked.and_then(|()| self.start_grant(request, member, name, uses)) {
                    Ok(()) => return,
                    Err(failure) => Reply::Failed(failure),
                }
            }
            Command::StartMission(it) => self.start_mission(*it).unwrap_or_else(Reply::Failed),
            Command::CancelMission { id } => self.cancel(&id).unwrap_or_else(Reply::Failed),
            Command::Missions => self.missions(),
            Command::Mission { id } => self.mission(&id),
            Command::Revoke { device, reason } => self
                .revoke(device, &reason)
                .map_or_else(Reply::Failed, |event| Reply::Revoked { event }),
            Command::Rescue { recovery, name, keep, reason } => {
                let key = RecoveryKey::from_bytes(recovery.0);
                self.rescue(&key, &name, keep, &reason).unwrap_or_else(Reply::Failed)
            }
            Command::Readmit { device, reason } => {
                self.readmit(device, &reason).unwrap_or_else(Reply::Failed)
            }
            Command::ExportEvents { from } => return self.start_export(request, from),
            Command::SaveDocument { document, from } => return self.save(request, document, from),
            Command::ImportEvents { runs } => self.import(runs),
            Command::KeepChunks { chunks } => self.keep_chunks(chunks),
            Command::WriteArtifact { manifest } => self.write_artifact(manifest),
            Command::ReadArtifact { artifact, part } => {
                return self.read_artifact(request, artifact, part);
            }
        };
        self.reply(request, reply);
    }

    fn start_read(&mut self, request: RequestId, path: DocPath) {
        match self.workspace.held_document() {
            Some(root) => {
                let pending = Pending::Read(request, path.clone());
                self.ask(pending, DocumentTask::Look { root, path });
            }
            None => self.reply(request, Reply::Failed(self.unreadable())),
        }
    }

    /// Why there is no document to be read here.
    pub(super) fn unreadable(&self) -> Failure {
        let control = self.workspace.control();
        match control.role(&self.key.device(), &control.all()) {
            Some(role) if !role.reads() => {
                let text =
                    format!("this device is {} here: it keeps all and reads nothing", role.name());
                Failure::new(FailureKind::Denied, text)
                    .with_hint("an owner or admin can grant it a role that may read")
            }
            // What every other event builds on is here, and no key opens it: nothing is waited for.
            None if self.workspace.root_document().is_some() => {
                let text = "this device is no member here, and nobody gave it a key: it keeps what \
                            came and reads nothing of it";
                Failure::new(FailureKind::Denied, text).with_hint(
                    "the recovery key opens it (`kern rescue`), or an invitation: `kern invite` \
                     on a member, `kern join` here",
                )
            }
            _ => no_history(),
        }
    }

    fn start_edit(&mut self, request: RequestId, edits: Vec<Edit>) {
        if let Err(failure) = self.try_edit(request, edits) {
            self.reply(request, Reply::Failed(failure));
        }
    }

    fn try_edit(&mut self, request: RequestId, edits: Vec<Edit>) -> Result<(), Failure> {
        let usage = |message: String| Failure::new(FailureKind::Usage, message);
        if edits.is_empty() {
            return Err(usage("there is nothing to edit".to_owned())
                .with_hint("an edit is {\"set\": PATH, \"value\": JSON} or {\"rm\": PATH}"));
        }
        if edits.len() > BATCH_EDITS_MAX {
            return Err(usage(format!(
                "{} edits, and one event holds {BATCH_EDITS_MAX}",
                edits.len()
            ))
            .with_hint("split the batch"));
        }
        for path in edits.iter().filter_map(Edit::path) {
            path.check_writable().map_err(|fault| {
                usage(fault.to_string()).with_hint("other maps have commands of their own")
            })?;
        }
        let control = self.workspace.control();
        let role = control.role(&self.key.device(), &control.all());
        let sets_policy = |path: &DocPath| path.segments().first().is_some_and(|f| f == POLICIES);
        if role < Some(Role::Admin) && edits.iter().filter_map(Edit::path).any(sets_policy) {
            return Err(Failure::new(FailureKind::Denied, "policies are set by owners and admins")
                .with_hint("`kern devices` shows who is one"));
        }
        // Before anything else: whose history will never be here should not wait for it.
        if role < Some(Role::Member) && self.workspace.root_document().is_some() {
            return Err(author_failure(&AuthorFault::Role(role)));
        }
        self.workspace.held_document().ok_or_else(no_history)?;
        if edits.iter().any(|edit| edit.conflict().is_some()) {
            return self.resolve(request, edits);
        } else {
            self.edit(Purpose::Request(request), edits);
        }
        Ok(())
    }

    pub(super) fn status(&self, conflicts: usize) -> Reply {
        let device = self.key.device();
        let control = self.workspace.control();
        let role = control.role(&device, &control.all());
        let mut damage = self.damage.clone();
        damage.extend(self.mending.words());
        for (document, claimed) in &self.heads {
            if let Err(degraded) = claimed {
                damage.push(self.degraded_words(document, degraded));
            }
        }
        let notices = self.notices.of(NoticeKind::Peer);
        Reply::Status(Box::new(Status {
            workspace: self.config.workspace_name.clone(),
            workspace_id: self.workspace.id(),
            said_at: Stamp(self.now.wall_us),
            device: self.config.device_name.clone(),
            device_id: device,
            mode: self.config.mode,
            role,
            revoked: role.is_none() && self.workspace.farewell(&device).is_some(),
            state_hash: self.state_hash(),
            conflicts,
            uncounted: 0,
            documents: self.workspace.documents().count(),
            loaded: self.workspace.opened().len()
                + usize::from(self.workspace.held_document().is_some()),
            events: self.workspace.len(),
            damage,
            absent: self.workspace.absent(),
            shredding: false,
            // The node knows its transports, and fills in what it sees of them.
            online: false,
            peers: self.peers(),
            current: self.is_current(),
            notices: notices.into_iter().map(|n| (n.device, n.reason.clone())).collect(),
            waiting: self.waiting_rows(),
            newer_format: self.workspace.newer_format(),
            lives: self.lives(),
            loading: None,
        }))
    }

    /// Why a document claims nothing, and what can be done.
    fn degraded_words(&self, document: &DocumentId, degraded: &Degraded) -> String {
        let words = format!("document {document}: {degraded}");
        match degraded.at.and_then(|change| self.workspace.carrier(document, &change)) {
            Some(at) => {
                let at = at.short();
                format!("{words}; it fails at event {at}: `kern strike {at}` goes on without it")
            }
            None => words,
        }
    }

    fn check_grant(member: &NewMember, name: &str) -> Result<(), Failure> {
        let usage = |message: &str| Err(Failure::new(FailureKind::Usage, message));
        if member.rule.len() > CONTROL_TEXT_MAX || name.len() > NAME_BYTES_MAX {
            return usage("a name or rule is too long");
        }
        if !is_strong(&member.device) || !member.sealing.is_of(&member.device) {
            return usage("the sealing key is not signed by the device");
        }
        Ok(())
    }

    pub(super) fn revoke(&mut self, device: DeviceId, reason: &str) -> Result<EventId, Failure> {
        if !self.workspace.granted_devices().iter().any(|(granted, _)| *granted == device) {
            let text = format!("there is no device {device} in this workspace");
            return Err(
                Failure::new(FailureKind::Failed, text).with_hint("`kern devices` shows all")
            );
        }
        let control = self.workspace.control();
        let members = control.members(&control.all());
        let owners = members.iter().filter(|(_, role)| **role == Role::Owner);
        if owners.map(|(owner, _)| *owner).eq([device]) {
            return Err(Failure::new(FailureKind::Failed, "this is the last owner")
                .with_hint("grant another device the role of owner first"));
        }
        if reason.len() > CONTROL_TEXT_MAX {
            return Err(Failure::new(FailureKind::Usage, "the reason is too long")
                .with_hint(format!("use at most {CONTROL_TEXT_MAX} bytes")));
        }
        let events = self.with_pen(|workspace, pen| workspace.write_revoke(pen, device, reason));
        let events = events.map_err(|fault| author_failure(&fault))?;
        let is_revoke = |body: &ControlBody| matches!(body, ControlBody::Revoke(_));
        let event = events.iter().find(|event| event.control().is_some_and(is_revoke));
        let event = event.map(crate::event::Verified::id);
        self.wrote(events);
        event.ok_or_else(|| Failure::new(FailureKind::Failed, "no revocation was made"))
    }

    fn devices(&self) -> Reply {
        let control = self.workspace.control();
        let members = control.members(&control.all());
        let own = self.key.device();
        let devices = self.workspace.granted_devices();
        let rows = devices.into_iter().map(|(id, added_by)| DeviceRow {
            id,
            added_by,
            role: members.get(&id).copied(),
            own: id == own,
            out: match members.contains_key(&id) {
                true => None,
                false => self.workspace.taken_out(&id),
            },
        });
        Reply::Devices { devices: rows.collect() }
    }
}

pub(super) fn no_history() -> Failure {
    Failure::new(FailureKind::Failed, "the history of this workspace is not here yet")
        .with_hint("wait until a peer has sent it")
}
