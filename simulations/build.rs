//! Tells the program which commit it was built from, so that a failing seed can be found again.

#![allow(clippy::print_stdout, reason = "this is how cargo is told")]

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=../.git/HEAD");
    println!("cargo:rerun-if-changed=../.git/logs/HEAD");
    let said = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let said = said.ok().filter(|said| said.status.success());
    let commit = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
    // Sources without their history have none.
    println!("cargo:rustc-env=KERNELOS_COMMIT={}", commit.unwrap_or_else(|| "unknown".to_owned()));
}
