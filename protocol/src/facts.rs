//! What an event says, decoded, for people and scripts: its row of the log, and the fields of its
//! body under stable names. Nothing is decided by it, and no key is in it.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::command::LogRow;
use crate::content::{Content, DocumentChange, kind};
use crate::control::{ControlBody, Rescue};
use crate::document::preview::Preview;
use crate::document::validate::frame;
use crate::epoch::KeyRing;
use crate::event::{Header, Verified};
use crate::hash;
use crate::id::{ChangeHash, DeviceId, EventId, to_hex};
use crate::mission::record::Record;
use crate::role::Role;
use crate::seal;

/// How many hex digits of an id name an event at least.
pub const ID_DIGITS_MIN: usize = 4;

/// One event, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// As the log shows it.
    #[serde(flatten)]
    pub row: LogRow,
    /// The control heads that its author knew; of content alone.
    pub heard: Vec<EventId>,
    /// Is its body here, and can it be read?
    pub body: BodyState,
    /// Bytes of the stored body.
    pub body_bytes: Option<u64>,
    /// What the body says: its kind under `kind`, and the fields of that. Null where it is not
    /// open.
    pub facts: Json,
    /// What it changed, as seen from the root: what each place showed before and after it. Of what
    /// changes no document, has no effect or is of a document that is not open here there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrote: Option<Preview>,
}

/// Is a body here, and can it be read?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyState {
    /// The event has none: it joins heads.
    None,
    /// It was read.
    Open,
    /// It is not in this device's store.
    Missing,
    /// A purge destroyed it: nobody has it any more.
    Purged,
    /// This device has no key for it.
    Sealed,
    /// Its key is held, and it is no body of any kind: the code.
    Broken(String),
}

/// Reads what an event says, as far as it can be read with these keys.
#[must_use]
pub fn read(event: &Verified, ring: &KeyRing) -> (BodyState, Json) {
    let header = event.header();
    if header.body.is_none() {
        return (BodyState::None, Json::Null);
    }
    if let Some(body) = event.control() {
        return (BodyState::Open, of_control(body));
    }
    match open(event, ring) {
        Ok(content) => (BodyState::Open, of_content(header, &content)),
        Err(state) => (state, Json::Null),
    }
}

/// Opens what an event of the content lane says, or says why it cannot be read with these keys.
pub(crate) fn open(event: &Verified, ring: &KeyRing) -> Result<Content, BodyState> {
    event.body().ok_or(BodyState::Missing)?;
    let epoch = event.header().epoch;
    let key = epoch.and_then(|epoch| ring.key(&epoch)).ok_or(BodyState::Sealed)?;
    let broken = |code: &str| BodyState::Broken(code.to_owned());
    let opened = seal::open_event(key, event).ok_or(BodyState::Missing)?;
    let inside = opened.map_err(|fault| broken(fault.code()))?;
    Content::decode(&inside).map_err(|_| broken("body_decode"))
}

/// Could the fields of what an event says have this text, which is in lower case? Of changes they
/// are names in hex digits and numbers, and nearly everything is a change: to write them down for
/// who looks for a word takes longer than to open it.
pub(crate) fn may_say(content: &Content, text: &str) -> bool {
    match content {
        Content::Change(_) | Content::Undo(..) | Content::Branch(..) => {
            text.bytes().all(is_hex_digit) || kind::name(content.number()).contains(text)
        }
        _ => true,
    }
}

/// Is it of a number, or of a name as it is shown?
pub(crate) fn is_hex_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn of_control(body: &ControlBody) -> Json {
    let kind = body.name();
    match body {
        ControlBody::Genesis(genesis) => json!({
            "kind": kind, "format": genesis.format, "sealing_key": genesis.sealing.key,
            "recovery_signing": genesis.recovery.signing,
            "recovery_sealing": genesis.recovery.sealing,
        }),
        ControlBody::Grant(grant) => json!({
            "kind": kind, "device": grant.device, "role": grant.role, "tier": grant.tier,
            "capabilities": grant.capabilities, "rule": grant.rule,
            "sealing_key": grant.sealing.key,
        }),
        ControlBody::Revoke(revoke) => json!({
            "kind": kind, "device": revoke.target, "reason": revoke.reason, "cut": revoke.cut,
        }),
        ControlBody::Readmit(readmit) => json!({
            "kind": kind, "devices": readmit.authors, "reason": readmit.reason,
            "tips": readmit.tips,
        }),
        ControlBody::Strike(strike) => json!({
            "kind": kind, "devices": strike.authors, "reason": strike.reason,
            "events": strike.events,
        }),
        ControlBody::Upgrade(upgrade) => json!({ "kind": kind, "format": upgrade.format }),
        ControlBody::Recover(recover) => match &recover.rescue {
            Rescue::Lead { sealing } => json!({
                "kind": kind, "role": Role::Owner, "sealing_key": sealing.key,
            }),
            Rescue::Remove { target, cut, reason } => json!({
                "kind": kind, "device": target, "reason": reason, "cut": cut,
            }),
        },
        ControlBody::Epoch(epoch) => json!({
            "kind": kind, "commitment": to_hex(&epoch.commitment),
            "older_keys_bytes": epoch.older.len(),
        }),
        ControlBody::Wrap(wrap) => {
            let recipients: Vec<DeviceId> = wrap.keys.iter().map(|key| key.recipient).collect();
            json!({ "kind": kind, "epoch": wrap.epoch, "recipients": recipients })
        }
    }
}

/// The fields of an opened body.
pub(crate) fn of_content(header: &Header, content: &Content) -> Json {
    let kind = kind::name(content.number());
    match content {
        Content::Change(changes) => {
            let changes: Vec<_> = changes.iter().map(|change| of_change(header, change)).collect();
            json!({ "kind": kind, "changes": changes })
        }
        Content::Undo(undoes, changes) => {
            let changes: Vec<_> = changes.iter().map(|change| of_change(header, change)).collect();
            json!({ "kind": kind, "undoes": undoes, "changes": changes })
        }
        Content::Branch(origin, changes) => {
            let branch = hash::branch_id(&header.author, &header.incarnation, header.seq, origin);
            let changes: Vec<_> = changes.iter().map(|change| of_change(header, change)).collect();
            let mut facts = json!({ "kind": kind, "origin": origin, "changes": changes });
            facts["changes"][0]["document"] = json!(branch);
            facts
        }
        Content::Artifact(manifest) => json!({
            "kind": kind, "name": manifest.name(), "bytes": manifest.size(),
            "chunks": manifest.chunks().len(), "plain": to_hex(&manifest.plain()),
        }),
        Content::Record(record) => of_record(&kind, record),
        Content::Purge(purge) => json!({ "kind": kind, "events": purge.events() }),
        Content::Unknown(_) => json!({ "kind": kind }),
    }
}

/// The frame of a change alone: how many operations it has, and what it builds on.
fn of_change(header: &Header, change: &DocumentChange) -> Json {
    let made = hash::document_id(&header.author, &header.incarnation, header.seq);
    let framed = frame(&change.change).ok();
    let framed = framed.as_ref();
    json!({
        "document": change.document.unwrap_or(made), "makes_document": change.document.is_none(),
        "generation": change.generation, "bytes": change.change.len(),
        "operations": framed.map(|framed| framed.ops),
        "change": framed.map(|framed| ChangeHash(framed.hash.0)),
        "builds_on": framed.map(|framed| framed.deps.len()),
    })
}

fn of_record(kind: &str, record: &Record) -> Json {
    match record {
        Record::Mission(mission) => with_kind(kind, json!(mission)),
        Record::Decision(decision) => json!({
            "kind": kind, "on": decision.on, "act": decision.act, "allowed": decision.allowed,
            "rule": decision.rule,
        }),
        Record::Claim(claim) => json!({
            "kind": kind, "on": claim.on, "stage": claim.stage, "epoch": claim.epoch,
        }),
        Record::Step(step) => {
            let mut facts = with_kind(kind, json!(step.ended));
            facts["on"] = json!(step.on);
            facts["step"] = json!(step.number);
            facts["input"] = json!(step.input);
            facts
        }
        Record::Evidence(evidence) => {
            let seen = serde_json::from_str(&evidence.facts);
            json!({
                "kind": kind, "on": evidence.on, "stage": evidence.stage,
                "passed": evidence.passed,
                "seen": seen.unwrap_or_else(|_| Json::String(evidence.facts.clone())),
            })
        }
        Record::Promotion(promotion) => json!({
            "kind": kind, "on": promotion.on, "old": promotion.old, "now": promotion.now,
        }),
    }
}

fn with_kind(kind: &str, mut facts: Json) -> Json {
    facts["kind"] = json!(kind);
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::founding_change;
    use crate::event::Class;
    use crate::id::{DocumentId, Incarnation, Lane, WorkspaceId};
    use crate::time::Stamp;

    fn words(fields: &Json, found: &mut Vec<String>) {
        match fields {
            Json::Object(of) => of.values().for_each(|value| words(value, found)),
            Json::Array(of) => of.iter().for_each(|value| words(value, found)),
            Json::String(text) => found.push(text.clone()),
            Json::Number(number) => found.push(number.to_string()),
            Json::Null | Json::Bool(_) => {}
        }
    }

    #[test]
    fn what_changes_are_said_to_be_has_no_other_text_than_is_looked_for_in_it() {
        // SPEC: PAST-4
        let event = EventId([0xab; 32]);
        let header = Header {
            workspace: WorkspaceId([1; 32]),
            lane: Lane::Content,
            author: DeviceId([2; 32]),
            incarnation: Incarnation([3; 8]),
            seq: 7,
            prev: Some(event),
            parents: Vec::new(),
            heard: vec![event],
            stamp: Stamp::default(),
            class: Class::Sealed,
            epoch: Some(event),
            body: None,
        };
        let change = founding_change([4; 16], "home", ("device", "laptop")).unwrap();
        let changes = [None, Some(DocumentId([0xcd; 32]))].map(|document| DocumentChange {
            document,
            generation: 1,
            change: change.clone(),
        });
        for content in [
            Content::Change(changes.to_vec()),
            Content::Undo(event, changes.to_vec()),
            Content::Branch(DocumentId([0xef; 32]), changes.to_vec()),
        ] {
            let mut found = Vec::new();
            words(&of_content(&header, &content), &mut found);
            assert!(found.len() > 8, "{found:?}");
            for word in found {
                assert!(may_say(&content, &word), "{word} is in it and is not looked for");
            }
            assert!(!may_say(&content, "laptop"), "what was written is looked for elsewhere");
        }
        assert!(may_say(&Content::Unknown(99), "laptop"));
    }
}
