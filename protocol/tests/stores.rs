//! The memory store keeps the contract of stores.

use kernelos_protocol::store::{
    EventStore, LoadRequest, MemoryStore, Record, Slice, StoreError, contract,
};
use std::cell::RefCell;
use std::rc::Rc;

use crate::kit::Peer;

/// One disk, opened many times.
struct Shared(Rc<RefCell<MemoryStore>>);

impl EventStore for Shared {
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.0.borrow_mut().commit(records)
    }
    fn load(&mut self, request: &LoadRequest) -> Result<Slice, StoreError> {
        self.0.borrow_mut().load(request)
    }
}

#[test]
fn the_memory_store_keeps_the_contract() {
    // SPEC: DUR-1
    let disk = Rc::new(RefCell::new(MemoryStore::default()));
    let (_, events) = Peer::founder();
    contract::check(&mut || Box::new(Shared(Rc::clone(&disk))), &events);
}

#[test]
fn a_full_disk_keeps_nothing_of_a_turn() {
    // SPEC: DUR-1
    let (_, events) = Peer::founder();
    let mut store = MemoryStore::default();
    store.full_after(0);
    let records: Vec<_> = events.into_iter().map(Record::Event).collect();
    assert_eq!(store.commit(&records), Err(StoreError::Full));
    assert!(store.is_empty());
    store.make_room();
    assert_eq!(store.commit(&records), Ok(()));
    assert_eq!(store.len(), records.len());
}
