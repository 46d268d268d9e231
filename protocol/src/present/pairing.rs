//! Invitations, as people read them.

use super::{Block, Doc, Text, Tone, utc};
use crate::api::{PendingRow, StandingRow};
use crate::pairing::PairingCode;
use crate::time::Stamp;

/// What became of an invitation that stands.
#[must_use]
pub fn standing_state(row: &StandingRow) -> &'static str {
    match row.over {
        Some(PairingCode::Expired) => "expired",
        Some(_) => "revoked",
        None if row.left == 0 => "used up",
        None => "open",
    }
}

/// Until when it stands.
#[must_use]
pub fn standing_until(row: &StandingRow) -> String {
    utc(Stamp(row.expires.saturating_mul(1_000_000)))
}

/// The invitations that stand.
#[must_use]
pub fn standing(rows: &[StandingRow]) -> Doc {
    let columns = ["invitation", "role", "left", "of", "until", "state"];
    let columns = columns.map(str::to_owned).to_vec();
    let cells = rows.iter().map(|row| {
        vec![
            Text::plain(&row.invitation),
            Text::plain(row.role.name()),
            Text::plain(row.left),
            Text::plain(row.uses),
            Text::plain(standing_until(row)),
            Text::plain(standing_state(row)),
        ]
    });
    Doc(vec![Block::Table { columns, rows: cells.collect() }])
}

/// An invitation that is open by a token, and who waits by it.
#[must_use]
pub fn pending(row: &PendingRow) -> Doc {
    let role = row.role.name();
    let text = match &row.asks {
        Some((device, name)) => {
            let id = device.short();
            Text::toned(Tone::Attention, format!("{name:?} ({id}) wants to come in as {role}"))
        }
        None => Text::plain(format!("a token lets one device in as {role}, nobody came yet")),
    };
    let until = format!("until {}", utc(Stamp(row.expires.saturating_mul(1_000_000))));
    Doc(vec![Block::Line(text), Block::Line(Text::toned(Tone::Quiet, until))])
}
