//! The test vectors of pairing: tokens, proofs, digits and messages, made from fixed keys.

use std::fmt::Write as _;

use kernelos_protocol::id::{EventId, to_hex};
use kernelos_protocol::pairing::messages::{Message, Welcome};
use kernelos_protocol::pairing::proof::Side;
use kernelos_protocol::pairing::standing::{JoinFile, Standing};
use kernelos_protocol::pairing::token::workspace_prefix;
use kernelos_protocol::pairing::{PairingCode, Token};
use kernelos_protocol::role::Role;

use super::kit::{Room, WORKSPACE, applicant, channel, key, ready, secret, terms};

const BEGIN: &str = "<!-- pairing vectors -->\n```text\n";
const END: &str = "```\n<!-- end of pairing vectors -->";

fn lines() -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| writeln!(out, "{name} = {value}").unwrap();
    line("issuer", &key(0).device().to_string());
    line("newcomer", &applicant(1).device.to_string());
    line("workspace", &WORKSPACE.to_string());
    line("workspace_prefix", &to_hex(&workspace_prefix(&WORKSPACE)));
    line("secret", &to_hex(&secret(1).0));
    line("invitation", &secret(1).invitation().to_string());
    let mut tokens = vec![("token_two_v4", Room::open().1)];
    for (name, addresses) in [
        ("token_no_address", vec![]),
        ("token_two_v6", vec!["[2001:db8::1]:4000", "[fd00::2]:61000"]),
    ] {
        let mut terms = terms(1);
        terms.addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        tokens.push((name, Room::new().invite(terms).unwrap()));
    }
    for (name, token) in &tokens {
        line(&format!("{name}.bytes"), &to_hex(&token.to_bytes()));
        line(&format!("{name}.text"), &token.to_text());
        assert_eq!(Token::from_text(&token.to_text()).as_ref(), Ok(token));
    }
    let channel = channel(1, 1);
    line("exporter", &to_hex(&channel.exporter));
    let newcomer = channel.prove(Side::Newcomer, &secret(1), &WORKSPACE);
    let issuer = channel.prove(Side::Issuer, &secret(1), &WORKSPACE);
    line("check_code", &channel.check_code(&secret(1)).to_string());
    let welcome = Welcome {
        workspace_name: "home".to_owned(),
        inviter: "laptop".to_owned(),
        role: Role::Member,
    };
    for (name, message) in [
        ("hello", Message::Hello { version: 1, invitation: secret(1).invitation() }),
        ("offer", Message::Offer { workspace: WORKSPACE }),
        ("newcomer_proof", Message::NewcomerProof(newcomer)),
        ("issuer_proof", Message::IssuerProof { proof: issuer, welcome }),
        ("ready", ready(1)),
        ("granted", Message::Granted { grant: EventId([0x6a; 32]) }),
        ("refused", Message::refused(PairingCode::CodeSeen)),
        ("admitted", Message::Admitted { grant: EventId([0x6a; 32]), left: 2 }),
    ] {
        line(&format!("message.{name}"), &to_hex(&message.encode()));
    }
    let standing = Standing::new([0x11; 16], WORKSPACE, (Role::Store, 3), 1_700_000_000, 86_400);
    let standing = standing.unwrap();
    let secret = standing.secret(&[0x77; 32]);
    line("standing.secret", &to_hex(&secret.0));
    let file = JoinFile {
        endpoint: key(0).device(),
        secret,
        workspace: WORKSPACE,
        role: Role::Store,
        uses: 3,
        expires_s: standing.expires_s,
        addresses: terms(1).addresses,
    };
    line("join_file", file.to_text().lines().last().unwrap());
    out
}

#[test]
fn the_pairing_vectors_of_the_spec_are_what_this_program_makes() {
    // SPEC: PAIR-1, PAIR-2, PAIR-3, PAIR-6, PAIR-7, PAIR-8, PAIR-20, PAIR-22
    let spec = include_str!("../../../SPEC.md");
    let block = spec.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let written = block.map_or("", |(written, _)| written);
    let made = lines();
    assert!(written == made, "SPEC.md must hold this between its marks:\n{made}");
}
