//! How links and invitations of an issuer end: each once, with one record, and with a word to
//! those who wait.

use super::{Invitation, Issuer, IssuerOutput, Link, LinkId, LinkStep};
use crate::id::{DeviceId, EventId};
use crate::limits::PAIRING_OVER_MAX;
use crate::pairing::code::PairingCode;
use crate::pairing::messages::Message;
use crate::pairing::token::InvitationId;

impl Issuer {
    /// Time is up for whatever stood too long. `SPEC: PAIR-12, PAIR-16`
    pub(super) fn expire(&mut self) {
        let now = self.now_ms;
        let late = |open: &Invitation| open.expires_ms <= now && !open.is_granting();
        let late = self.invitations.iter().filter(|(_, open)| late(open));
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.burn(id, PairingCode::Expired);
        }
        let late = self.standing.iter().filter(|(_, standing)| standing.expires_ms <= now);
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_standing(id, PairingCode::Expired);
        }
        let slow = |link: &Link| link.deadline_ms().is_some_and(|at| at <= now);
        let slow = self.links.iter().filter(|(_, link)| slow(link));
        for link in slow.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.refuse(link, PairingCode::Timeout);
        }
    }

    /// The link broke a rule or gave up: with a session, its invitation ends.
    pub(super) fn fail(&mut self, link: LinkId, code: PairingCode) {
        match self.links.get(&link).map(|link| link.step) {
            Some(LinkStep::Session(id)) => self.fail_session(link, id, code),
            Some(LinkStep::Entering(..)) => self.leave(link, code),
            Some(_) => self.refuse(link, code),
            None => {}
        }
    }

    pub(super) fn fail_session(&mut self, link: LinkId, id: InvitationId, code: PairingCode) {
        if !self.invitations.get(&id).is_some_and(Invitation::is_granting) {
            self.burn(id, code);
            return;
        }
        // The grant goes on, and the attempt is recorded with what becomes of it.
        self.links.remove(&link);
        if code != PairingCode::LinkLost {
            self.outputs.push(IssuerOutput::Close { link, code: Some(code) });
        }
    }

    /// The invitation ends without a grant. `SPEC: PAIR-12`
    pub(super) fn burn(&mut self, id: InvitationId, code: PairingCode) {
        let session = self.invitations.remove(&id).and_then(|open| open.session);
        if let Some(session) = session {
            if code == PairingCode::LinkLost {
                self.links.remove(&session.link);
                self.audit(Some(id), session.channel.newcomer, Err(code));
            } else {
                self.refuse(session.link, code);
            }
        }
        let told = match code {
            PairingCode::Expired
            | PairingCode::CodeSeen
            | PairingCode::BadProofs
            | PairingCode::Cancelled => code,
            // What went wrong in the session is the session's own.
            _ => PairingCode::Burned,
        };
        self.end(id, Err(code), told);
    }

    /// Whoever still tries this invitation, now or later, is told `told`.
    pub(super) fn end(
        &mut self,
        id: InvitationId,
        result: Result<DeviceId, PairingCode>,
        told: PairingCode,
    ) {
        let is_other = |link: &Link| {
            link.invitation() == Some(id) && !matches!(link.step, LinkStep::Entering(..))
        };
        let others = self.links.iter().filter(|(_, link)| is_other(link));
        for link in others.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.refuse(link, told);
        }
        self.note_over(id, told);
        self.outputs.push(IssuerOutput::Ended { invitation: id, result });
    }

    pub(super) fn note_over(&mut self, id: InvitationId, told: PairingCode) {
        if self.over.len() >= PAIRING_OVER_MAX {
            self.over.pop_front();
        }
        self.over.push_back((id, told));
    }

    pub(super) fn was_over(&self, id: &InvitationId) -> Option<PairingCode> {
        self.over.iter().find(|(over, _)| over == id).map(|(_, told)| *told)
    }

    pub(super) fn refuse(&mut self, link: LinkId, code: PairingCode) {
        let invitation = self.links.get(&link).and_then(Link::invitation);
        self.refuse_for(link, invitation, code);
    }

    pub(super) fn refuse_for(
        &mut self,
        link: LinkId,
        invitation: Option<InvitationId>,
        code: PairingCode,
    ) {
        let Some(refused) = self.links.remove(&link) else { return };
        self.audit(invitation, refused.channel.newcomer, Err(code));
        self.send(link, &Message::refused(code));
        self.outputs.push(IssuerOutput::Close { link, code: Some(code) });
    }

    /// Every link ends in exactly one record. `SPEC: PAIR-15`
    pub(super) fn audit(
        &mut self,
        invitation: Option<InvitationId>,
        device: DeviceId,
        result: Result<EventId, PairingCode>,
    ) {
        self.outputs.push(IssuerOutput::Audit { invitation, device, result });
    }

    pub(super) fn send(&mut self, link: LinkId, message: &Message) {
        self.outputs.push(IssuerOutput::Send { link, bytes: message.encode() });
    }
}
