//! A pairing token as a QR code of half blocks.
//!
//! Error correction is the lowest: a screen is not torn or stained, and the code must stand in a
//! terminal of 80 by 24 with some lines around it.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code. The standard says four; two are read from a screen whose other
/// cells are one plain colour, and four would cost two lines.
const QUIET: usize = 2;

/// Modules of a QR code of version 6 along an edge: with the quiet zone 45 by 23 cells.
const MODULES_MAX: usize = 41;

/// What a terminal shows where nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// Light text on dark: the usual.
    Dark,
    /// Dark text on light.
    Light,
}

/// The QR code of `text`, one line for two rows of modules; none if it would be larger than a
/// terminal of 80 by 24 can show. `SPEC: PAIR-19`
#[must_use]
pub fn qr_text(text: &str, background: Background) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    if width > MODULES_MAX {
        return None;
    }
    let edge = width + 2 * QUIET;
    // What lies below the last row is left as the terminal is.
    let is_lit = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < width);
        let dark = match (inside(x), inside(y)) {
            (Some(x), Some(y)) => colors.get(y * width + x) == Some(&Color::Dark),
            _ => false,
        };
        y < edge && dark == (background == Background::Light)
    };
    let mut out = String::new();
    for y in (0..edge).step_by(2) {
        for x in 0..edge {
            out.push(match (is_lit(x, y), is_lit(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        out.push('\n');
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use kernelos_protocol::id::WorkspaceId;
    use kernelos_protocol::key::DeviceKey;
    use kernelos_protocol::pairing::token::workspace_prefix;
    use kernelos_protocol::pairing::{Intent, Secret, Token};

    const V4: [&str; 2] = ["192.168.178.42:49152", "203.0.113.7:61000"];
    const V6: [&str; 2] = ["[2001:db8:1:2:a:b:c:d]:49152", "[fd00::1234:5678]:61000"];

    fn token(addresses: &[&str]) -> String {
        let addresses = addresses.iter().map(|text| text.parse::<SocketAddr>().unwrap()).collect();
        let workspace_prefix = workspace_prefix(&WorkspaceId([0xc4; 32]));
        let endpoint = DeviceKey::from_secret(&[7; 32]).device();
        let secret = Secret(*b"0123456789abcdef");
        let intent = Intent::Invite;
        Token { intent, endpoint, secret, workspace_prefix, expires: u32::MAX, addresses }.to_text()
    }

    fn cells(text: &str) -> (usize, usize) {
        let width = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(text.lines().all(|line| line.chars().count() == width));
        (width, text.lines().count())
    }

    /// What a camera reads of this terminal.
    fn camera(text: &str, background: Background) -> String {
        const SCALE: usize = 4;
        let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        let (lit, unlit) = match background {
            Background::Dark => (255, 0),
            Background::Light => (0, 255),
        };
        let (width, height) = (rows[0].len() * SCALE, rows.len() * 2 * SCALE);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            let (row, upper) = (y / SCALE / 2, (y / SCALE).is_multiple_of(2));
            let is_lit = match rows[row][x / SCALE] {
                '█' => true,
                '▀' => upper,
                '▄' => !upper,
                _ => false,
            };
            if is_lit { lit } else { unlit }
        });
        image.detect_grids().first().unwrap().decode().unwrap().1
    }

    #[test]
    fn a_code_stands_in_a_terminal_and_is_read_from_it() {
        // SPEC: PAIR-19
        let table: [(&[&str], (usize, usize)); 6] = [
            (&[], (37, 19)),
            (&V4[..1], (41, 21)),
            (&V4, (41, 21)),
            (&V6[..1], (41, 21)),
            (&[V4[0], V6[0]], (41, 21)),
            (&V6, (45, 23)),
        ];
        for (addresses, size) in table {
            let token = token(addresses);
            for background in [Background::Dark, Background::Light] {
                let shown = qr_text(&token, background).unwrap();
                assert_eq!(cells(&shown), size, "{addresses:?}: {} characters", token.len());
                assert_eq!(camera(&shown, background), token);
            }
        }
    }

    #[test]
    fn a_text_that_is_too_long_for_a_terminal_is_not_drawn() {
        // SPEC: PAIR-19
        assert!(qr_text(&"A".repeat(195), Background::Dark).is_some());
        assert_eq!(qr_text(&"A".repeat(196), Background::Dark), None);
        assert_eq!(qr_text(&"A".repeat(1_000_000), Background::Dark), None);
    }
}
