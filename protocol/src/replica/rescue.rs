//! Rescue and readmission: what the commands check, write and say.

use std::collections::BTreeSet;

use crate::command::{Failure, FailureKind, Reply};
use crate::control::{ControlBody, Recover, Rescue};
use crate::document::Edit;
use crate::event::Verified;
use crate::id::DeviceId;
use crate::key::RecoveryKey;
use crate::limits::{CONTROL_TEXT_MAX, NAME_BYTES_MAX};
use crate::replica::Replica;
use crate::replica::commands::no_history;
use crate::replica::documents::{Purpose, author_failure};
use crate::store::Record;
use crate::workspace::AuthorFault;

impl Replica {
    /// Takes the workspace over for this device. `SPEC: CTL-9`
    pub(super) fn rescue(
        &mut self,
        key: &RecoveryKey,
        name: &str,
        keep: Vec<DeviceId>,
        reason: &str,
    ) -> Result<Reply, Failure> {
        self.workspace.root_document().ok_or_else(no_history)?;
        check_texts(&[(name, NAME_BYTES_MAX), (reason, CONTROL_TEXT_MAX)])?;
        let keep: BTreeSet<_> = keep.into_iter().collect();
        let rescued =
            self.with_pen(|workspace, pen| workspace.write_rescue(pen, key, &keep, reason));
        let rescued = rescued.map_err(|fault| author_failure(&fault))?;
        let leads = |event: &&Verified| {
            matches!(
                event.control(),
                Some(ControlBody::Recover(Recover { rescue: Rescue::Lead { .. }, .. }))
            )
        };
        let event = rescued.events.iter().find(leads).map(Verified::id);
        let event = event.ok_or_else(|| Failure::new(FailureKind::Failed, "nothing was made"))?;
        self.wrote(rescued.events);
        self.unnamed = Some(name.to_owned());
        self.persist.push(Record::DeviceName(name.to_owned()));
        name.clone_into(&mut self.config.device_name);
        Ok(Reply::Rescued { event, removed: rescued.removed })
    }

    /// What this device is called here: as it was let in, or as it rescued the workspace.
    #[must_use]
    pub fn device_name(&self) -> &str {
        &self.config.device_name
    }

    /// Writes the name of who rescued, once what it can read since is in the document: a store
    /// could read none of it, and what it was called is there, too.
    pub(super) fn name_self(&mut self) {
        if self.unnamed.is_none()
            || self.workspace.held_document().is_none()
            || !self.workspace.is_told()
            || self.is_editing()
            || self.workspace.newer_format().is_some()
        {
            return;
        }
        let path = format!("devices/{}/name", self.key.device());
        if let (Some(name), Ok(set)) = (self.unnamed.take(), path.parse()) {
            self.edit(Purpose::Name, vec![Edit::Set { set, value: name.into() }]);
        }
    }

    /// Brings back what revocations left out of these devices. `SPEC: CTL-8`
    pub(super) fn readmit(&mut self, device: DeviceId, reason: &str) -> Result<Reply, Failure> {
        check_texts(&[(reason, CONTROL_TEXT_MAX)])?;
        let authors = [device];
        self.workspace.settle();
        let before = self.workspace.left_out(&authors);
        if before == 0 {
            return Err(author_failure(&AuthorFault::NothingToReadmit));
        }
        let events = self.with_pen(|workspace, pen| workspace.write_readmit(pen, &authors, reason));
        let events = events.map_err(|fault| author_failure(&fault))?;
        let is_readmit =
            |event: &&Verified| matches!(event.control(), Some(ControlBody::Readmit(_)));
        let mut decisions = events.iter().filter(is_readmit).map(Verified::id);
        let (event, others) = (decisions.next(), decisions.collect());
        let event = event.ok_or_else(|| Failure::new(FailureKind::Failed, "nothing was made"))?;
        self.wrote(events);
        self.tell_decided();
        let events = before.saturating_sub(self.workspace.left_out(&authors));
        Ok(Reply::Readmitted { event, events, others })
    }
}

pub(super) fn check_texts(texts: &[(&str, usize)]) -> Result<(), Failure> {
    match texts.iter().find(|(text, most)| text.len() > *most) {
        Some((_, most)) => Err(Failure::new(FailureKind::Usage, "a name or reason is too long")
            .with_hint(format!("use at most {most} bytes"))),
        None => Ok(()),
    }
}
