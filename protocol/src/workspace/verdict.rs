//! What became of an event and what it says, as `kern log` shows it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Workspace;
use super::strike::Struck;
use crate::authority::{ContentNo, ControlFact, ControlNo};
use crate::content::{Content, kind};
use crate::control::ControlBody;
use crate::effect::Effect;
use crate::event::Verified;
use crate::facts::{self, BodyState};
use crate::id::{EventId, Lane};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It counts.
    Admitted,
    /// Kept apart: its author was revoked, and nobody built on it in good faith.
    Quarantined,
    /// Kept and forwarded, without effect.
    Void,
}

impl Workspace {
    /// What became of an event, and why where it does not count.
    #[must_use]
    pub fn verdict(&self, id: &EventId) -> Option<(Verdict, Option<String>)> {
        let known = self.known(id)?;
        match known.header.lane {
            Lane::Control => {
                let no = self.control.number(id)?;
                if self.control.in_effect(no, &self.control.all()) {
                    return Some((Verdict::Admitted, self.since_words(no)));
                }
                let reason = match known.control {
                    Some("revoke") => "outweighed: another revocation overrides it",
                    _ => "without effect: its author was revoked and this was not heard before",
                };
                Some((Verdict::Void, Some(reason.to_owned())))
            }
            Lane::Content => {
                let no = self.content.number(id)?;
                if !self.content.is_admitted(no) {
                    let reason =
                        "its author had no right to write it, and nothing admitted builds on it";
                    return Some((Verdict::Quarantined, Some(reason.to_owned())));
                }
                if let Some(why) = self.why_struck(no) {
                    return Some((Verdict::Void, Some(self.struck_words(why))));
                }
                Some(match self.effects.of(no) {
                    Effect::Void(reason) => {
                        (Verdict::Void, Some(format!("{}: {}", reason.code, reason.text)))
                    }
                    Effect::Unread => (Verdict::Admitted, Some(self.unread_words(no))),
                    Effect::Purged => (Verdict::Admitted, Some(self.purged_words(no))),
                    Effect::Unknown(_) => {
                        (Verdict::Admitted, Some("its kind is unknown here: upgrade".to_owned()))
                    }
                    Effect::Change(changes) if self.is_left_out(changes) => {
                        let reason = "left out of the document: its device forked, and another \
                                      change has its number";
                        (Verdict::Admitted, Some(reason.to_owned()))
                    }
                    Effect::Change(_) if let Some(device) = self.backlog.device(no) => {
                        let reason = format!("quota: it waits, since {device} made too many keys");
                        (Verdict::Admitted, Some(reason))
                    }
                    Effect::Artifact(_) | Effect::Record(_) | Effect::Purge(_)
                        if !self.content.is_firm(no) =>
                    {
                        let reason = "not_firm: its author was revoked, and good faith keeps \
                                      changes alone";
                        (Verdict::Void, Some(reason.to_owned()))
                    }
                    Effect::Change(_) if let Some(undone) = self.effects.undoes(no) => {
                        (Verdict::Admitted, Some(self.undo_words(no, undone)))
                    }
                    Effect::Change(_) if let Some(undo) = self.undone_by(no) => {
                        let event = self.content.id(undo).short();
                        (Verdict::Admitted, Some(format!("taken back by {event}")))
                    }
                    Effect::Empty
                    | Effect::Change(_)
                    | Effect::Artifact(_)
                    | Effect::Record(_)
                    | Effect::Purge(_) => (Verdict::Admitted, None),
                })
            }
        }
    }

    /// What became of a membership that an event gave or took. `SPEC: UNDO-4`
    fn since_words(&self, no: ControlNo) -> Option<String> {
        let short = |no| self.control.id(no).short();
        match self.control.fact(no) {
            ControlFact::Grant { .. } => {
                let by = self.control.ended_by(no)?;
                Some(format!("its device was revoked, by {}", short(by)))
            }
            ControlFact::Revoke { .. } => {
                let by = self.control.answered_by(no)?;
                Some(format!("its device was let in again, by {}", short(by)))
            }
            _ => None,
        }
    }

    /// What an undo took back, and whether that stands.
    fn undo_words(&self, undo: ContentNo, undone: ContentNo) -> String {
        let event = self.content.id(undone).short();
        match self.undone_by(undo).map(|by| self.content.id(by).short()) {
            Some(by) => format!("it took back {event}, and was taken back by {by}"),
            None => format!("it takes back {event}"),
        }
    }

    fn struck_words(&self, why: Struck) -> String {
        match why {
            Struck::By(strike) => {
                let event = self.control.id(strike).short();
                format!("struck: event {event} goes on from before it")
            }
            Struck::Dependent => "struck_dependency: it builds on what was struck".to_owned(),
        }
    }

    /// The events whose ids begin with these hex digits: the two lowest where there are several.
    /// Where they are no whole id it looks at all ids that are here, once.
    #[must_use]
    pub fn beginning_with(&self, digits: &str) -> Vec<EventId> {
        let filled = |with: char| {
            let mut id = digits.to_owned();
            id.extend(std::iter::repeat_n(with, EventId::DIGITS.saturating_sub(digits.len())));
            id.parse::<EventId>()
        };
        let (Ok(first), Ok(last)) = (filled('0'), filled('f')) else { return Vec::new() };
        if first == last {
            return self.order.contains(&first).then_some(first).into_iter().collect();
        }
        let mut lowest = Vec::with_capacity(3);
        for id in self.order.ids().iter().filter(|id| (first..=last).contains(*id)) {
            lowest.push(*id);
            lowest.sort_unstable();
            lowest.truncate(2);
        }
        lowest
    }

    /// What an event of this workspace says, as far as it can be read here.
    #[must_use]
    pub fn read(&self, event: &Verified) -> (BodyState, Json) {
        facts::read(event, &self.ring)
    }

    /// What a content event says, opened; and do changes in it have effect, so that they passed the
    /// validator?
    pub(crate) fn opened_body(&self, event: &Verified) -> Option<(Content, bool)> {
        let content = facts::open(event, &self.ring).ok()?;
        let no = self.content.number(&event.id());
        let has_effect = no.is_some_and(|no| matches!(self.effects.of(no), Effect::Change(_)));
        Some((content, has_effect))
    }

    /// The name of an event's kind.
    #[must_use]
    pub fn kind(&self, id: &EventId) -> Option<String> {
        let known = self.known(id)?;
        if let Some(name) = known.control {
            return Some(name.to_owned());
        }
        let no = self.content.number(id)?;
        Some(match self.effects.of(no) {
            Effect::Empty => "join".to_owned(),
            Effect::Change(_) if self.effects.undoes(no).is_some() => kind::name(kind::UNDO),
            Effect::Change(_) => kind::name(kind::CHANGE),
            Effect::Artifact(_) => kind::name(kind::ARTIFACT),
            Effect::Unknown(number) | Effect::Record(number) => kind::name(*number),
            Effect::Purge(_) => kind::name(kind::PURGE),
            Effect::Purged => "purged".to_owned(),
            Effect::Void(_) | Effect::Unread => "sealed".to_owned(),
        })
    }
}

/// What a row of the log may be beside what its body says: nothing but parents, destroyed, or not
/// to be read here.
const BODILESS: [&str; 3] = ["join", "purged", "sealed"];

/// Kinds of content that have a number, and nothing that writes them.
const UNUSED: [&str; 4] = ["reserved", "resolve", "approval", "checkpoint"];

/// The kinds of events that are in use, as [`Workspace::kind`] names them, by name.
#[must_use]
pub fn kinds() -> Vec<&'static str> {
    let content = kind::NAMES.into_iter().filter(|name| !UNUSED.contains(name));
    let mut kinds: Vec<_> = content.chain(ControlBody::NAMES).chain(BODILESS).collect();
    kinds.sort_unstable();
    kinds
}

/// May an event be of this kind? One that this program does not know has a number in its name.
#[must_use]
pub fn is_kind(name: &str) -> bool {
    let number = name.strip_prefix("unknown-").map(str::parse::<u64>);
    kinds().contains(&name) || UNUSED.contains(&name) || matches!(number, Some(Ok(_)))
}
