//! Which lives of a device stand: of those that followed each other the last, of those that are
//! known to go on beside each other each.
//!
//! A receipt that claims the beginning of a later life was made beside that: a store that is put
//! back knows of no later life of its own. So a copy of a store that is thrown away takes nothing
//! from what the other one says (SPEC: RCPT-5, RCPT-6).

use super::{Known, Life, Receipts};
use crate::id::{DeviceId, EventId};
use crate::sync::receipt::Claims;
use crate::workspace::{Cover, Workspace};

/// What stands of a member.
#[derive(Default)]
pub(super) struct Standing<'a> {
    pub(super) lives: Vec<&'a Known>,
    /// They are known to go on beside each other: what one holds the device holds.
    pub(super) is_beside: bool,
}

impl<'a> Standing<'a> {
    /// Of each what it covers; none where nothing is known to be held.
    pub(super) fn covers(&self) -> Option<Vec<(Life, &'a Cover)>> {
        let of = |known: &&'a Known| Some((known.life(), known.cover.as_ref()?));
        let covers: Vec<_> = self.lives.iter().filter_map(of).collect();
        let is_enough = self.is_beside || covers.len() == self.lives.len();
        (is_enough && !covers.is_empty()).then_some(covers)
    }

    /// Does it hold for the device, as its lives say?
    pub(super) fn says(&self, claim: impl Fn(&Claims) -> bool) -> bool {
        let mut claims = self.lives.iter().map(|known| known.newest.claims());
        match self.is_beside {
            true => claims.any(claim),
            false => !self.lives.is_empty() && claims.all(claim),
        }
    }
}

/// Does what a life said to hold have this?
fn holds(workspace: &Workspace, known: &Known, id: &EventId) -> bool {
    known.cover.as_ref().is_some_and(|cover| workspace.is_covered(cover, id))
}

impl Receipts {
    pub(super) fn standing<'a>(&'a self, workspace: &Workspace, device: &DeviceId) -> Standing<'a> {
        let control = workspace.control();
        if control.role(device, &control.all()).is_none() {
            return Standing::default();
        }
        // One that was outlived goes on all the same if it says that it holds what outlived it.
        let goes_on = |known: &&Known| {
            let later = workspace.outlived_by(&known.life());
            later.iter().all(|first| holds(workspace, known, first))
        };
        let lives: Vec<_> = self.lives(device).map(|(_, known)| known).filter(goes_on).collect();
        let knows = |known: &Known, other: &Known| {
            let begins = workspace.begins(&other.life());
            let is_first = begins.is_empty() && !workspace.begins(&known.life()).is_empty();
            is_first || begins.iter().any(|first| holds(workspace, known, first))
        };
        // Of two that did not hear of each other as they began the one goes on that heard since.
        let is_last =
            |known: &&&Known| lives.iter().all(|other| !knows(other, known) || knows(known, other));
        let lives: Vec<_> = lives.iter().filter(is_last).copied().collect();
        let is_one = |a: &Known, b: &Known| a.life() == b.life();
        let is_beside = lives.iter().all(|a| lives.iter().all(|b| is_one(a, b) || knows(a, b)));
        Standing { lives, is_beside }
    }
}
