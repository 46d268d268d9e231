//! What a node does with a change that counts: all of it has to work.

use automerge::transaction::Transactable;
use automerge::{Automerge, Change, ObjType, ROOT, ReadDoc};

/// Applies the change where its dependencies are and does with the document what a node does:
/// reads it whole, saves it, loads it, asks for its changes and writes into it.
pub(crate) fn use_of(doc: &Automerge, change: Change) -> Result<(), String> {
    let said =
        |what: &'static str| move |error: automerge::AutomergeError| format!("{what}: {error}");
    let mut doc = if change.deps().is_empty() {
        Automerge::new()
    } else {
        doc.fork_at(change.deps()).map_err(said("fork"))?
    };
    let hash = change.hash();
    let bytes = change.raw_bytes().to_vec();
    let before = doc.get_heads();
    doc.apply_changes([change]).map_err(said("apply"))?;
    if doc.get_heads() != [hash] {
        return Err("the change is not applied".into());
    }
    let whole = doc.hydrate(None);
    let _ = doc.diff(&before, &doc.get_heads());
    let _ = doc.diff(&doc.get_heads(), &before);
    let _ = doc.diff(&[], &doc.get_heads());
    let loaded = Automerge::load(&doc.save()).map_err(said("load"))?;
    if loaded.hydrate(None) != whole || loaded.get_heads() != [hash] {
        return Err("the document is another after loading".into());
    }
    let again = loaded.get_change_by_hash(&hash).ok_or("the change is lost")?;
    if again.raw_bytes() != bytes {
        return Err("the change is another after loading".into());
    }
    let mut incremental = Automerge::new();
    incremental.apply_changes(loaded.get_changes(&[])).map_err(said("apply all"))?;
    if incremental.hydrate(None) != whole {
        return Err("the document is another when applied at once".into());
    }
    read_and_write(loaded)
}

/// Puts the change among others that know nothing of it, and it among them: in one batch, it
/// first, it last. All have to be one document, and of use.
pub(crate) fn use_among(others: &[Change], change: &Change) -> Result<(), String> {
    let said =
        |what: &'static str| move |error: automerge::AutomergeError| format!("{what}: {error}");
    let mut batch = Automerge::new();
    batch.apply_changes(others.iter().chain([change]).cloned()).map_err(said("batch"))?;
    let (mut last, mut first) = (Automerge::new(), Automerge::new());
    for other in others {
        last.apply_changes([other.clone()]).map_err(said("one by one"))?;
    }
    last.apply_changes([change.clone()]).map_err(said("last"))?;
    // Before all that is not in its past: a document waits with what is not ready.
    first.apply_changes([change.clone()]).map_err(said("first"))?;
    for other in others {
        first.apply_changes([other.clone()]).map_err(said("behind it"))?;
    }
    let whole = batch.hydrate(None);
    if batch.get_heads() != last.get_heads() || batch.get_heads() != first.get_heads() {
        return Err("other heads in another order".into());
    }
    if last.hydrate(None) != whole || first.hydrate(None) != whole {
        return Err("another document in another order".into());
    }
    for doc in [batch, last, first] {
        let loaded = Automerge::load(&doc.save()).map_err(said("load among"))?;
        if loaded.hydrate(None) != whole {
            return Err("another document after loading among others".into());
        }
        let _ = doc.diff(change.deps(), &doc.get_heads());
        let _ = doc.diff(&doc.get_heads(), change.deps());
        read_and_write(doc)?;
    }
    Ok(())
}

fn read_and_write(mut doc: Automerge) -> Result<(), String> {
    let mut objects = vec![ROOT];
    while let Some(object) = objects.pop() {
        let kind = doc.object_type(&object).map_err(|error| error.to_string())?;
        let mut below: Vec<_> = match kind {
            ObjType::Map | ObjType::Table => {
                let keys: Vec<_> = doc.keys(&object).collect();
                keys.iter().flat_map(|key| doc.get_all(&object, key.as_str()).unwrap()).collect()
            }
            ObjType::List | ObjType::Text => (0..doc.length(&object))
                .flat_map(|index| doc.get_all(&object, index).unwrap())
                .collect(),
        };
        if kind == ObjType::Text {
            doc.text(&object).unwrap();
            doc.marks(&object).unwrap();
            let _ = doc.spans(&object).unwrap().count();
        }
        objects.extend(below.drain(..).filter(|(value, _)| value.is_object()).map(|(_, id)| id));
        let result = doc.transact::<_, _, automerge::AutomergeError>(|tx| match kind {
            ObjType::Map | ObjType::Table => tx.put(&object, "written", 1),
            ObjType::List => {
                let end = tx.length(&object);
                tx.insert(&object, end, 1)?;
                tx.delete(&object, 0)
            }
            ObjType::Text => {
                let end = tx.length(&object);
                tx.splice_text(&object, end, 0, "z")?;
                tx.splice_text(&object, 0, 1, "y")
            }
        });
        result.map_err(|failure| failure.error.to_string())?;
    }
    Automerge::load(&doc.save()).map(|_| ()).map_err(|error| format!("load again: {error}"))
}
