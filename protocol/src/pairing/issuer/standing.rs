//! Standing invitations at their issuer: each link has a session of its own, ends alone, and asks
//! for a grant without a person. How many may come, the log says, where the grants stand.

use super::{Issuer, IssuerOutput, LinkId, LinkStep, Standing, Terms};
use crate::id::EventId;
use crate::key::is_strong;
use crate::limits::{NAME_BYTES_MAX, STANDING_MAX};
use crate::pairing::code::PairingCode;
use crate::pairing::messages::{Message, Ready, Welcome, is_name};
use crate::pairing::proof::Side;
use crate::pairing::standing::may_stand;
use crate::pairing::token::InvitationId;

impl Issuer {
    /// An invitation stands from now on. `SPEC: PAIR-21`
    pub(super) fn on_stand(&mut self, terms: Terms) {
        let invitation = terms.secret.invitation();
        let beside = |standing: &&Standing| standing.terms.workspace == terms.workspace;
        let names = [&terms.workspace_name, &terms.inviter];
        let fault = if self.invitations.contains_key(&invitation)
            || self.standing.contains_key(&invitation)
            || self.was_over(&invitation).is_some()
        {
            Some(PairingCode::Used)
        } else if self.standing.values().filter(beside).count() >= STANDING_MAX {
            Some(PairingCode::Busy)
        } else if names.into_iter().any(|name| name.len() > NAME_BYTES_MAX) {
            Some(PairingCode::BadName)
        } else if !may_stand(terms.role, 1) {
            Some(PairingCode::NotGranted)
        } else {
            None
        };
        if let Some(code) = fault {
            self.outputs.push(IssuerOutput::NotOpened { invitation, code });
            return;
        }
        let expires_ms = self.now_ms.saturating_add(terms.lifetime_ms.unwrap_or(0));
        self.standing.insert(invitation, Standing { terms, expires_ms });
    }

    /// It was over before a restart: who comes late is told so. `SPEC: PAIR-23`
    pub fn remember(&mut self, invitation: InvitationId, told: PairingCode) {
        self.note_over(invitation, told);
    }

    /// A bad proof ends its link alone: nobody guesses 128 bits, and who could burn the invitation
    /// would keep honest ones out. `SPEC: PAIR-21`
    pub(super) fn on_standing_proof(&mut self, link: LinkId, id: InvitationId, proof: &[u8; 32]) {
        let (Some(standing), Some(from)) = (self.standing.get(&id), self.links.get_mut(&link))
        else {
            return;
        };
        let (channel, terms) = (from.channel, &standing.terms);
        if !channel.is_proven(Side::Newcomer, &terms.secret, &terms.workspace, proof) {
            self.refuse(link, PairingCode::BadProof);
            return;
        }
        from.step = LinkStep::Proven(id);
        let answer = Message::IssuerProof {
            proof: channel.prove(Side::Issuer, &terms.secret, &terms.workspace),
            welcome: Welcome {
                workspace_name: terms.workspace_name.clone(),
                inviter: terms.inviter.clone(),
                role: terms.role,
            },
        };
        self.send(link, &answer);
    }

    /// It wants in. `SPEC: PAIR-18, PAIR-21, PAIR-24`
    pub(super) fn on_enter(&mut self, link: LinkId, id: InvitationId, ready: Ready) {
        let (Some(standing), Some(from)) = (self.standing.get(&id), self.links.get_mut(&link))
        else {
            return;
        };
        let device = from.channel.newcomer;
        let Ready { sealing, device_name } = ready;
        if !sealing.is_of(&device) || !is_strong(&device) {
            self.refuse(link, PairingCode::BadKey);
        } else if !is_name(&device_name) {
            self.refuse(link, PairingCode::BadName);
        } else {
            from.step = LinkStep::Entering(id, true);
            let (workspace, role) = (standing.terms.workspace, standing.terms.role);
            self.outputs.push(IssuerOutput::Admit {
                link,
                invitation: id,
                workspace,
                device,
                sealing,
                role,
                device_name,
            });
        }
    }

    /// The new member is durable: only now it is told. `SPEC: PAIR-24`
    pub(super) fn on_admitted(&mut self, link: LinkId, grant: EventId, left: u32) {
        let Some((id, listens)) = self.entering(link) else { return };
        if let Some(gone) = self.links.remove(&link) {
            self.audit(Some(id), gone.channel.newcomer, Ok(grant));
        }
        if listens {
            self.send(link, &Message::Admitted { grant, left });
            self.outputs.push(IssuerOutput::Close { link, code: None });
        }
    }

    pub(super) fn on_not_admitted(&mut self, link: LinkId, code: PairingCode) {
        match self.entering(link) {
            Some((_, true)) => self.refuse(link, code),
            Some((id, false)) => {
                if let Some(gone) = self.links.remove(&link) {
                    self.audit(Some(id), gone.channel.newcomer, Err(code));
                }
            }
            None => {}
        }
    }

    /// Its grant goes on, and the attempt is recorded with what becomes of it.
    pub(super) fn leave(&mut self, link: LinkId, code: PairingCode) {
        let Some((id, true)) = self.entering(link) else { return };
        if let Some(gone) = self.links.get_mut(&link) {
            gone.step = LinkStep::Entering(id, false);
        }
        if code != PairingCode::LinkLost {
            self.outputs.push(IssuerOutput::Close { link, code: Some(code) });
        }
    }

    pub(super) fn end_standing(&mut self, id: InvitationId, code: PairingCode) {
        self.standing.remove(&id);
        self.end(id, Err(code), code);
    }

    fn entering(&self, link: LinkId) -> Option<(InvitationId, bool)> {
        match self.links.get(&link)?.step {
            LinkStep::Entering(id, listens) => Some((id, listens)),
            _ => None,
        }
    }
}
