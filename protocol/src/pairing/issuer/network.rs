//! What the network does to an issuer: somebody dials, says something, goes away.
//!
//! Each step of a link takes one message and no other, so what a stranger can do is little: name
//! an invitation that it must have seen, and prove the secret once.

use super::IssuerOutput;
use super::{Issuer, Link, LinkId, LinkStep, Session, Step};
use crate::id::DeviceId;
use crate::key::is_strong;
use crate::limits::{PAIRING_BAD_PROOFS_MAX, PAIRING_LINKS_MAX};
use crate::pairing::code::PairingCode;
use crate::pairing::messages::{Message, Ready, Welcome, is_name};
use crate::pairing::proof::{Channel, Side};
use crate::pairing::token::InvitationId;

impl Issuer {
    /// Somebody dialled; who this may not be is told so at once. `SPEC: PAIR-14, PAIR-16`
    pub(super) fn on_connected(&mut self, link: LinkId, device: DeviceId, exporter: [u8; 32]) {
        if self.links.contains_key(&link) {
            return;
        }
        let channel = Channel { newcomer: device, issuer: self.device, exporter };
        let step = LinkStep::Silent;
        if self.links.len() >= PAIRING_LINKS_MAX {
            // Anybody may dial, but only who has seen a code gets beyond silence: of the silent
            // ones the oldest makes room, so strangers cannot keep a newcomer out for long.
            let silent = self.links.iter().filter(|(_, link)| link.step == LinkStep::Silent);
            let oldest = silent.min_by_key(|(id, link)| (link.opened_ms, **id)).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.refuse(oldest, PairingCode::Busy);
            }
        }
        let is_full = self.links.len() >= PAIRING_LINKS_MAX;
        self.links.insert(link, Link { channel, step, opened_ms: self.now_ms });
        if is_full {
            self.refuse(link, PairingCode::Busy);
        } else if device == self.device {
            self.refuse(link, PairingCode::OwnToken);
        } else if !is_strong(&device) {
            self.refuse(link, PairingCode::BadKey);
        }
    }

    /// Each step takes one message and no other. `SPEC: PAIR-9`
    pub(super) fn on_received(&mut self, link: LinkId, bytes: &[u8]) {
        let Some(step) = self.links.get(&link).map(|link| link.step) else { return };
        match (step, Message::decode(bytes)) {
            (_, Err(code)) => self.fail(link, code),
            // Whatever it says, it is the newcomer that ended it: it names no reason of ours.
            (_, Ok(Message::Refused(_))) => self.fail(link, PairingCode::Declined),
            (LinkStep::Silent, Ok(Message::Hello { invitation, .. })) => {
                self.on_hello(link, invitation);
            }
            (LinkStep::Offered(id), Ok(Message::NewcomerProof(proof))) => {
                self.on_proof(link, id, &proof);
            }
            (LinkStep::Session(id), Ok(Message::Ready(ready))) => self.on_ready(link, id, ready),
            (LinkStep::Proven(id), Ok(Message::Ready(ready))) => self.on_enter(link, id, ready),
            (_, Ok(_)) => self.fail(link, PairingCode::OutOfOrder),
        }
    }

    fn on_hello(&mut self, link: LinkId, id: InvitationId) {
        let open = self.invitations.get(&id).map(|open| &open.terms);
        let terms = open.or_else(|| self.standing.get(&id).map(|standing| &standing.terms));
        let Some(workspace) = terms.map(|terms| terms.workspace) else {
            let late = self.was_over(&id);
            let code = late.unwrap_or(PairingCode::Unknown);
            self.refuse_for(link, late.map(|_| id), code);
            return;
        };
        if let Some(link) = self.links.get_mut(&link) {
            link.step = LinkStep::Offered(id);
        }
        self.send(link, &Message::Offer { workspace });
    }

    /// The first right proof takes the session, the second burns it. `SPEC: PAIR-11, PAIR-12`
    fn on_proof(&mut self, link: LinkId, id: InvitationId, proof: &[u8; 32]) {
        if self.standing.contains_key(&id) {
            self.on_standing_proof(link, id, proof);
            return;
        }
        let (Some(open), Some(from)) = (self.invitations.get_mut(&id), self.links.get_mut(&link))
        else {
            return;
        };
        let (channel, terms) = (from.channel, &open.terms);
        if !channel.is_proven(Side::Newcomer, &terms.secret, &terms.workspace, proof) {
            open.bad_proofs = open.bad_proofs.saturating_add(1);
            let burns = open.bad_proofs >= PAIRING_BAD_PROOFS_MAX && !open.is_granting();
            self.refuse(link, PairingCode::BadProof);
            if burns {
                self.burn(id, PairingCode::BadProofs);
            }
            return;
        }
        if open.session.is_some() {
            if open.is_granting() {
                // The person has vouched for the other one already; this one is only told of.
                self.refuse(link, PairingCode::CodeSeen);
            } else {
                self.burn(id, PairingCode::CodeSeen);
            }
            return;
        }
        open.session = Some(Session { link, channel, step: Step::Proven });
        from.step = LinkStep::Session(id);
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

    /// The newcomer's person wants to join. `SPEC: PAIR-18`
    fn on_ready(&mut self, link: LinkId, id: InvitationId, ready: Ready) {
        let Some(open) = self.invitations.get_mut(&id) else { return };
        let Some(session) = open.session.as_mut() else { return };
        let device = session.channel.newcomer;
        let fault = if !matches!(session.step, Step::Proven) {
            Some(PairingCode::OutOfOrder)
        } else if !ready.sealing.is_of(&device) {
            Some(PairingCode::BadKey)
        } else if !is_name(&ready.device_name) {
            Some(PairingCode::BadName)
        } else if open.terms.names_taken.contains(&ready.device_name) {
            Some(PairingCode::NameUsed)
        } else {
            None
        };
        if let Some(code) = fault {
            self.fail(link, code);
            return;
        }
        let device_name = ready.device_name.clone();
        session.step = Step::Asking(ready);
        self.outputs.push(IssuerOutput::AskCode { invitation: id, device, device_name });
    }

    pub(super) fn on_lost(&mut self, link: LinkId) {
        let Some(lost) = self.links.get(&link).copied() else { return };
        match lost.step {
            LinkStep::Session(id) => self.fail_session(link, id, PairingCode::LinkLost),
            LinkStep::Entering(..) => self.leave(link, PairingCode::LinkLost),
            LinkStep::Offered(_) | LinkStep::Proven(_) | LinkStep::Silent => {
                self.links.remove(&link);
                self.audit(lost.invitation(), lost.channel.newcomer, Err(PairingCode::LinkLost));
            }
        }
    }
}
