//! Who let this device in, as a row of `meta`: JSON of the device and where it was reached then, or
//! null where this device founded the workspace.
//!
//! A row of `meta` has no check, and a damaged file holds anything: what is larger than what is
//! written is no row (SPEC: DUR-7).

use std::net::SocketAddr;

use kernelos_protocol::id::DeviceId;
use kernelos_protocol::store::StoreError;

/// Who let this device in, and where it was reached then.
pub type Introducer = (DeviceId, Vec<SocketAddr>);

/// Bytes of a row: some hundred addresses, where an invitation holds eight.
pub(super) const BYTES_MAX: usize = 8 * 1_024;

/// The row.
pub(super) fn written(introducer: Option<&Introducer>) -> Result<Vec<u8>, StoreError> {
    let row = serde_json::to_vec(&introducer);
    let row = row.map_err(|error| StoreError::Failed(error.to_string()))?;
    if row.len() > BYTES_MAX {
        return Err(StoreError::Failed(format!("an introducer of {} bytes", row.len())));
    }
    Ok(row)
}

/// What it says; none where it is no such row.
pub(super) fn read(row: &[u8]) -> Option<Option<Introducer>> {
    if row.len() > BYTES_MAX {
        return None;
    }
    serde_json::from_slice(row).ok()
}
