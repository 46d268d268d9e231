//! The targets of what the node reads by itself as programs for libFuzzer. Each decoder is taken by
//! its file: the whole node is no part of these programs.

#![no_main]
#![allow(dead_code, unused_imports, reason = "a target uses a part of each file")]

#[path = "../../node/src/fuzz.rs"]
mod fuzz;
mod harness;

#[path = "../../node/src/git"]
mod git {
    mod fault;
    pub(crate) mod fuzz;
    mod glob;
    mod oid;
}

#[path = "../../node/src/home"]
mod home {
    pub(crate) mod fuzz;
    mod sealed;

    /// No target seals by itself.
    fn random() -> Result<[u8; 32], ()> {
        Err(())
    }
}

#[path = "../../node/src/store"]
mod store {
    pub(crate) mod sqlite {
        pub(crate) mod fuzz;
        mod pages;
        mod wal;
    }
}
