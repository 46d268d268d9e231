//! The targets of what the node reads by itself as programs for libFuzzer. Each decoder is taken by
//! its file: the whole node is no part of these programs.

#![no_main]
#![allow(dead_code, unused_imports, reason = "a target uses a part of each file")]

#[path = "../../node/src/fuzz.rs"]
mod fuzz;
mod harness;

mod git {
    #[path = "../../../node/src/git/fault.rs"]
    mod fault;
    #[path = "../../../node/src/git/fuzz.rs"]
    pub(crate) mod fuzz;
    #[path = "../../../node/src/git/glob.rs"]
    mod glob;
    #[path = "../../../node/src/git/oid.rs"]
    mod oid;
}

mod home {
    #[path = "../../../node/src/home/fuzz.rs"]
    pub(crate) mod fuzz;
    #[path = "../../../node/src/home/sealed.rs"]
    mod sealed;

    /// No target seals by itself.
    fn random() -> Result<[u8; 32], ()> {
        Err(())
    }
}

mod store {
    pub(crate) mod sqlite {
        #[path = "../../../../node/src/store/sqlite/fuzz.rs"]
        pub(crate) mod fuzz;
        #[path = "../../../../node/src/store/sqlite/pages.rs"]
        mod pages;
        #[path = "../../../../node/src/store/sqlite/wal.rs"]
        mod wal;
    }
}
