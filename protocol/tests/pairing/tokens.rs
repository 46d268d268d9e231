//! Tokens as bytes and as text: one encoding, and a code for whatever else a person may paste.

use std::collections::BTreeSet;

use data_encoding::BASE32_NOPAD;
use kernelos_protocol::hash::{context, hash};
use kernelos_protocol::pairing::token::{is_dialable, workspace_prefix};
use kernelos_protocol::pairing::{Intent, PairingCode, Secret, Token, TokenFault};

use super::kit::{NOON, Room, WORKSPACE, key, secret, terms};

fn token(addresses: &[&str]) -> Token {
    Token {
        intent: Intent::Invite,
        endpoint: key(0).device(),
        secret: secret(1),
        workspace_prefix: workspace_prefix(&WORKSPACE),
        expires: 1_700_000_300,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

const V4: [&str; 2] = ["192.168.1.2:4000", "203.0.113.7:61000"];
const V6: [&str; 2] = ["[2001:db8::1]:4000", "[fd00::2]:61000"];

fn verdict(text: &str) -> &'static str {
    Token::from_text(text).map_or_else(TokenFault::code, |_| "token")
}

/// The bytes with a checksum that fits.
fn sealed(mut inside: Vec<u8>) -> Vec<u8> {
    let sum = hash(context::PAIRING_CHECKSUM, &[&inside]);
    inside.extend(&sum[..4]);
    inside
}

/// What is before the checksum.
fn inside(token: &Token) -> Vec<u8> {
    let bytes = token.to_bytes();
    bytes[..bytes.len() - 4].to_vec()
}

#[test]
fn a_token_is_read_as_it_was_written() {
    // SPEC: PAIR-1, PAIR-2
    let mixed = [V4[0], V6[0]];
    let cases: [(&[&str], usize); 6] =
        [(&[], 66), (&V4[..1], 73), (&V4, 80), (&V6[..1], 85), (&mixed, 92), (&V6, 104)];
    for (addresses, size) in cases {
        let token = token(addresses);
        assert_eq!(token.to_bytes().len(), size);
        let text = token.to_text();
        assert_eq!(Token::from_text(&text), Ok(token.clone()));
        assert!(text.starts_with("KOS1:"));
        for way in [
            text.to_lowercase(),
            format!(" \r\n{text}\t\n"),
            format!("https://app.example/p#{text}"),
            format!("HTTPS://APP.EXAMPLE/P#{text}"),
            format!("https://app.example/p?q=1#{}", text.to_lowercase()),
        ] {
            assert_eq!(Token::from_text(&way), Ok(token.clone()), "{way}");
        }
    }
}

#[test]
fn other_text_has_a_code_each() {
    // SPEC: PAIR-2
    let text = token(&V4).to_text();
    let long = "A".repeat(2_000);
    for (pasted, code) in [
        ("", "token_foreign"),
        ("hello", "token_foreign"),
        ("https://app.example/p", "token_foreign"),
        ("https://app.example/p#", "token_foreign"),
        ("https://app.example/p#hello", "token_foreign"),
        (&format!("http://app.example/#{text}"), "token_foreign"),
        (&format!("see {text}"), "token_foreign"),
        (&long, "token_foreign"),
        (&format!("KOS1:{long}"), "token_foreign"),
        ("KOS:", "token_foreign"),
        ("KOSX:AAAA", "token_foreign"),
        ("KOS1234:AAAA", "token_foreign"),
        ("KOS2:AAAA", "token_version"),
        ("kos17:", "token_version"),
        ("KOS1:", "token_malformed"),
        ("KOS1:AAAA", "token_malformed"),
        ("KOS1:AAAAAAAA", "token_checksum"),
        ("KOS1:01890189", "token_malformed"),
        (&format!("{text}===="), "token_malformed"),
        (&format!("{text}ä"), "token_malformed"),
        (&text.replace(':', ": "), "token_malformed"),
        (&format!("{text}AAAAAAAA"), "token_checksum"),
    ] {
        assert_eq!(verdict(pasted), code, "{pasted}");
    }
}

#[test]
fn a_token_that_was_tampered_with_at_any_byte_is_told_apart() {
    // SPEC: PAIR-1, PAIR-2
    for addresses in [&[][..], &V4[..1], &V4, &V6] {
        let bytes = token(addresses).to_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                assert_eq!(Token::from_bytes(&bytes), Err(TokenFault::Checksum), "byte {at}");
            }
            assert!(Token::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}

#[test]
fn a_mistyped_character_never_makes_another_token() {
    // SPEC: PAIR-2
    let text = token(&V4[..1]).to_text();
    for at in 5..text.len() {
        for digit in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".chars() {
            let mut typed = text.clone();
            typed.replace_range(at..=at, &digit.to_string());
            let expected = match verdict(&typed) {
                "token" => typed == text,
                // Bits beyond the last byte are zero in the one encoding.
                "token_malformed" => at == text.len() - 1,
                code => code == "token_checksum",
            };
            assert!(expected, "{typed}");
        }
    }
}

/// What is done to a token's inside.
type Change = fn(&mut Vec<u8>);

#[test]
fn a_right_checksum_saves_no_wrong_token() {
    // SPEC: PAIR-1
    let good = inside(&token(&V4));
    let with = |change: Change| {
        let mut inside = good.clone();
        change(&mut inside);
        Token::from_bytes(&sealed(inside)).map_or_else(TokenFault::code, |_| "token")
    };
    let address = |text: &str| inside(&token(&[text]))[62..].to_vec();
    let table: [(&str, Change, &str); 16] = [
        ("as it is", |_| {}, "token"),
        ("version 0", |t| t[0] = 0, "token_version"),
        ("version 2", |t| t[0] = 2, "token_version"),
        ("version 2 of another length", |t| *t = vec![2], "token_version"),
        ("the reserved intent", |t| t[1] = 2, "token"),
        ("an intent of a newer program", |t| t[1] = 3, "token_version"),
        ("a weak endpoint", |t| t[2..34].fill(0), "token_malformed"),
        ("no bytes", Vec::clear, "token_malformed"),
        ("cut in the head", |t| t.truncate(61), "token_malformed"),
        ("cut in an address", |t| t.truncate(75), "token_malformed"),
        ("an unknown family", |t| t[62] = 5, "token_malformed"),
        ("port 0", |t| t[67..69].fill(0), "token_malformed"),
        ("nowhere", |t| t[63..67].fill(0), "token_malformed"),
        ("everybody", |t| t[63..67].fill(255), "token_malformed"),
        ("many", |t| t[63] = 224, "token_malformed"),
        ("the same twice", |t| t.copy_within(62..69, 69), "token_malformed"),
    ];
    for (what, change, code) in table {
        assert_eq!(with(change), code, "{what}");
    }
    let mut three = good.clone();
    three.extend(address("198.51.100.1:1"));
    assert_eq!(Token::from_bytes(&sealed(three)), Err(TokenFault::Malformed));
    let mut mapped = good[..62].to_vec();
    mapped.push(6);
    mapped.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1, 0, 80]);
    assert_eq!(Token::from_bytes(&sealed(mapped)), Err(TokenFault::Malformed));
}

#[test]
fn only_addresses_that_lead_somewhere_are_written_and_the_first_two_of_them() {
    // SPEC: PAIR-1
    for unfit in [
        "0.0.0.0:1",
        "10.0.0.1:0",
        "255.255.255.255:1",
        "224.0.0.1:1",
        "[::]:1",
        "[ff02::1]:1",
        "[fe80::1]:1",
        "[::ffff:10.0.0.1]:1",
    ] {
        assert!(!is_dialable(&unfit.parse().unwrap()), "{unfit}");
    }
    let many = token(&["0.0.0.0:1", V4[0], V4[0], "[fe80::1]:1", V6[0], V4[1]]);
    let read = Token::from_text(&many.to_text()).unwrap();
    assert_eq!(read, token(&[V4[0], V6[0]]));
}

#[test]
fn bytes_of_any_kind_are_no_token_and_do_no_harm() {
    // SPEC: PAIR-2
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    for len in 0..300 {
        let bytes: Vec<u8> = (0..len).map(|_| next()).collect();
        assert!(Token::from_bytes(&bytes).is_err());
        assert!(Token::from_bytes(&sealed(bytes.clone())).is_err());
        let encoded = BASE32_NOPAD.encode(&bytes);
        assert_ne!(verdict(&format!("KOS1:{encoded}")), "token");
        assert_ne!(verdict(&String::from_utf8_lossy(&bytes)), "token");
    }
}

#[test]
fn the_time_in_a_token_is_the_wall_clocks_and_is_bounded() {
    // SPEC: PAIR-4
    let mut room = Room::new();
    assert_eq!(room.invite(terms(1)).unwrap().expires, 1_700_000_300);
    room.now.wall_us = u64::MAX;
    assert_eq!(room.invite(terms(2)).unwrap().expires, u32::MAX);
    assert_eq!(NOON.wall_us / 1_000_000, 1_700_000_000);
}

#[test]
fn a_secret_is_not_printed_and_every_code_is_its_own() {
    // SPEC: PAIR-3, PAIR-17
    let shown = format!("{:?}", token(&V4));
    assert!(shown.contains("Secret(..)"), "{shown}");
    assert_ne!(secret(1).invitation(), secret(2).invitation());
    assert_ne!(Secret([0; 16]).invitation().0, workspace_prefix(&WORKSPACE));
    let codes: BTreeSet<_> = PairingCode::ALL.iter().map(|code| code.code()).collect();
    assert_eq!(codes.len(), PairingCode::ALL.len());
    for code in PairingCode::ALL {
        assert_eq!(PairingCode::from_code(code.code()), *code);
        assert!(code.code().len() <= 32);
    }
    assert_eq!(PairingCode::from_code("of_a_newer_program"), PairingCode::Other);
}
