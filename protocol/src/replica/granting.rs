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
        uses: Option<u32>,
    ) -> Result<(), Failure> {
        let document = self.workspace.held_document().ok_or_else(no_history)?;
        let path = DEVICES.parse().map_err(|fault| Failure::new(FailureKind::Failed, fault))?;
        let pending = Pending::Grant { request, member: Box::new(member), name, uses };
        self.ask(pending, DocumentTask::Read { document, path });
        Ok(())
    }

    pub(super) fn on_names(
        &mut self,
        request: RequestId,
        member: NewMember,
        name: &str,
        uses: Option<u32>,
        devices: Result<ReadValue, EditFault>,
    ) {
        let left = match uses.map(|uses| self.may_let_in(&member, uses)) {
            Some(Err(reply)) => return self.reply(request, *reply),
            Some(Ok(left)) => Some(left),
            None => None,
        };
        if devices.is_ok_and(|devices| is_named(&devices, name, &member.device)) {
            self.reply(request, Reply::NameUsed);
        } else if let Err(failure) = self.grant(request, member, name, left) {
            self.reply(request, Reply::Failed(failure));
        }
    }

    /// Whom a rule that is good for so many devices lets in: one that nobody ever let in, while
    /// there is one left; gives how many are left behind it. Who came in by it and is a member is
    /// told so again, for its answer may have been lost; who was revoked does not come back by it.
    /// Nothing is counted but grants that are kept, so a use is as durable as what it gave.
    /// `SPEC: PAIR-24`
    fn may_let_in(&self, member: &NewMember, uses: u32) -> Result<u32, Box<Reply>> {
        let let_in = self.workspace.let_in_by(&member.rule);
        let used = let_in.map_or(0, |devices| u32::try_from(devices.len()).unwrap_or(u32::MAX));
        let control = self.workspace.control();
        let is_member = control.role(&member.device, &control.all()).is_some();
        let was_let_in = let_in.and_then(|devices| devices.get(&member.device));
        match was_let_in {
            Some(event) if is_member => {
                let left = Some(uses.saturating_sub(used));
                return Err(Box::new(Reply::Granted { event: *event, left }));
            }
            Some(_) => return Err(Box::new(Reply::RuleUsed)),
            None => {}
        }
        let mut granted = self.workspace.granted_devices().into_iter();
        if granted.any(|(device, _)| device == member.device) {
            let text = "this device was let in otherwise, or was revoked";
            let failure = Failure::new(FailureKind::Denied, text)
                .with_hint("`kern invite` shows a code for it, and asks a person");
            return Err(Box::new(Reply::Failed(failure)));
        }
        uses.checked_sub(used.saturating_add(1)).ok_or_else(|| Box::new(Reply::RuleUsed))
    }

    /// The grant first, then the name, for which there has to be quota: a device without a name is
    /// a member all the same.
    fn grant(
        &mut self,
        request: RequestId,
        member: NewMember,
        name: &str,
        left: Option<u32>,
    ) -> Result<(), Failure> {
        self.check_quota(NAMING_MAKES)?;
        self.workspace.held_document().ok_or_else(no_history)?;
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
        self.edit(Purpose::Grant(request, event, left), edits);
        Ok(())
    }
}

/// Is another device than `own` named so?
fn is_named(devices: &ReadValue, name: &str, own: &DeviceId) -> bool {
    let own = own.to_string();
    let mut others = devices.value.as_object().into_iter().flatten().filter(|(id, _)| **id != own);
    others.any(|(_, about)| about.get("name").and_then(|n| n.as_str()) == Some(name))
}
