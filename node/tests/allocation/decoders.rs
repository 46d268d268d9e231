//! The decoders that the node's fuzz targets run, each taken by its file: the whole node is no part
//! of the programs that take these.

#[path = "../../src/git"]
pub(crate) mod git {
    mod fault;
    pub(crate) mod fuzz;
    mod glob;
    mod limits;
    mod listing;
    mod oid;
}

#[path = "../../src/home"]
pub(crate) mod home {
    pub(crate) mod fuzz;
    mod sealed;

    /// No target seals by itself.
    fn random() -> Result<[u8; 32], ()> {
        Err(())
    }
}

#[path = "../../src/peers"]
pub(crate) mod peers {
    pub(crate) mod fuzz;
    mod list;
}

#[path = "../../src/sandbox"]
pub(crate) mod sandbox {
    mod frame;
    pub(crate) mod fuzz;
    mod limits;
    mod plan;

    use limits::{Level, Limits, Means, Outcome, STDIN_MAX};
}

#[path = "../../src/store"]
pub(crate) mod store {
    pub(crate) mod sqlite {
        pub(crate) mod fuzz;
        mod introducer;
        mod pages;
        mod wal;
    }
}
