//! Granting: the name is looked at when the grant is made, not when somebody was invited; then
//! the grant is written, and the name after it. `SPEC: PAIR-13, PAIR-18`

use crate::command::{Failure, FailureKind, Reply, RequestId};
use crate::control::ControlBody;
use crate::document::{DocumentTask, Edit, EditFault, ReadValue};
use crate::event::Verified;
use crate::id::DeviceId;
use crate::limits::NAMING_MAKES;
use crate::replica::Replica;
use crate::replica::commands::no_history;
use crate::replica::documents::{Pending, Purpose, author_failure};
use crate::workspace::NewMember;

/// Where the document names devices.
const DEVICES: &str = "devices";

impl Replica {
    /// Reads which names are taken.
    pub(super) fn start_grant(
        &mut self,
        request: RequestId,
        member: NewMember,
        name: String,
    ) -> Result<(), Failure> {
        let document = self.workspace.held_document().ok_or_else(no_history)?;
        let path = DEVICES.parse().map_err(|fault| Failure::new(FailureKind::Failed, fault))?;
        let pending = Pending::Grant { request, member: Box::new(member), name };
        self.ask(pending, DocumentTask::Read { document, path });
        Ok(())
    }

    pub(super) fn on_names(
        &mut self,
        request: RequestId,
        member: NewMember,
        name: &str,
        devices: Result<ReadValue, EditFault>,
    ) {
        if devices.is_ok_and(|devices| is_named(&devices, name, &member.device)) {
            self.reply(request, Reply::NameUsed);
        } else if let Err(failure) = self.grant(request, member, name) {
            self.reply(request, Reply::Failed(failure));
        }
    }

    /// The grant first, then the name, for which there has to be quota: a device without a name is
    /// a member all the same.
    fn grant(&mut self, request: RequestId, member: NewMember, name: &str) -> Result<(), Failure> {
        self.check_quota(NAMING_MAKES)?;
        let document = self.workspace.held_document().ok_or_else(no_history)?;
        let path = format!("{DEVICES}/{}/name", member.device);
        let set = path.parse().map_err(|fault| Failure::new(FailureKind::Usage, fault))?;
        let events = self.with_pen(|workspace, pen| workspace.write_grant(pen, member));
        let events = events.map_err(|fault| author_failure(&fault))?;
        let is_grant = |body: &ControlBody| matches!(body, ControlBody::Grant(_));
        let event = events.iter().find(|event| event.control().is_some_and(is_grant));
        let event = event.map(Verified::id);
        self.wrote(events);
        let event = event.ok_or_else(|| Failure::new(FailureKind::Failed, "no grant was made"))?;
        let edits = vec![Edit::Set { set, value: name.into() }];
        self.edit(Purpose::Grant(request, event), document, edits);
        Ok(())
    }
}

/// Is another device than `own` named so?
fn is_named(devices: &ReadValue, name: &str, own: &DeviceId) -> bool {
    let own = own.to_string();
    let mut others = devices.value.as_object().into_iter().flatten().filter(|(id, _)| **id != own);
    others.any(|(_, about)| about.get("name").and_then(|n| n.as_str()) == Some(name))
}
