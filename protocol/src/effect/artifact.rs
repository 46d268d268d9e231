//! What the manifest of an artifact does: it names chunks, which are fetched and kept.

use super::{Chunks, Effect, Past, VoidReason, void};
use crate::artifact::Manifest;
use crate::authority::ContentNo;
use crate::role::Role;

/// Any writer of content may: runners keep results as artifacts. `SPEC: EFF-6`
pub(super) fn weigh(
    past: Past<'_>,
    no: ContentNo,
    manifest: Box<Manifest>,
) -> Result<(Effect, Chunks), VoidReason> {
    let heard = past.content.heard_set(no);
    if past.control.role(&past.content.author(no), &heard) < Some(Role::Runner) {
        return Err(void("role", &"its author may not keep artifacts"));
    }
    Ok((Effect::Artifact(manifest), Chunks::new()))
}
