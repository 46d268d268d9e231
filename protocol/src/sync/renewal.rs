//! A receipt as its device tells it to a peer that knows the one before: what changed of it, and
//! its signature (SPEC: SYNC-14).
//!
//! Nothing is checked here but the form: what a renewal says is the whole receipt that is made of
//! it and the one before ([`Receipt::renewed`]), and that is verified before it has any effect.

use serde::{Deserialize, Serialize};

use crate::cbor::{CborFault, Reader, Writer};
use crate::id::{EventId, Signature};
use crate::limits::{RECEIPT_ARTIFACTS_MAX, RECEIPT_EPOCHS_MAX, RECEIPT_TIPS_MAX};
use crate::sync::receipt::{read_set, write_set};

/// The number of the message.
pub(super) const NUMBER: u64 = 14;

/// How many items it has.
pub(super) const ITEMS: usize = 8;

/// What the sender's next own receipt on a connection says else than its last one there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// That of the receipt.
    pub counter: u64,
    /// Control heads, content heads, epochs, artifacts; none where they are as before.
    pub sets: [Option<Vec<EventId>>; 4],
    /// Those of the receipt.
    pub flags: u64,
    /// That of the receipt.
    pub signature: Signature,
}

/// Writes the message.
pub(super) fn write(renewal: &Renewal, to: &mut Writer) {
    to.array(ITEMS).uint(NUMBER).uint(renewal.counter);
    for set in &renewal.sets {
        match set {
            Some(ids) => write_set(ids, to),
            None => drop(to.null()),
        }
    }
    to.uint(renewal.flags).bytes(&renewal.signature.0);
}

/// Reads what follows the number.
pub(super) fn read(from: &mut Reader<'_>) -> Result<Renewal, CborFault> {
    let counter = from.uint()?;
    let mut set = |max| if from.is_null()? { Ok(None) } else { read_set(from, max).map(Some) };
    let sets = [
        set(RECEIPT_TIPS_MAX)?,
        set(RECEIPT_TIPS_MAX)?,
        set(RECEIPT_EPOCHS_MAX)?,
        set(RECEIPT_ARTIFACTS_MAX)?,
    ];
    Ok(Renewal { counter, sets, flags: from.uint()?, signature: Signature(from.fixed()?) })
}
