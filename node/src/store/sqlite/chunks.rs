//! Chunks of artifacts in SQLite: found by hash, checked by it whenever they are read.

use kernelos_protocol::artifact::Chunk;
use kernelos_protocol::id::ChunkHash;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::SqliteStore;

impl SqliteStore {
    /// A chunk; none where it is not kept, or its bytes are not what its hash names.
    pub(super) fn chunk(&self, hash: &ChunkHash) -> rusqlite::Result<Option<Chunk>> {
        let mut query =
            self.connection.prepare_cached("SELECT bytes FROM chunk WHERE hash = ?1")?;
        let bytes = query.query_row([&hash.0[..]], |row| row.get::<_, Vec<u8>>(0)).optional()?;
        let chunk = bytes.and_then(|bytes| Chunk::new(bytes).ok());
        Ok(chunk.filter(|chunk| chunk.hash() == *hash))
    }

    pub(super) fn chunk_list(
        &self,
        after: Option<&ChunkHash>,
        limit: usize,
    ) -> rusqlite::Result<Vec<(ChunkHash, usize)>> {
        // The length of a blob is in its row's header: no bytes are read for it.
        let mut query = self.connection.prepare_cached(
            "SELECT hash, length(bytes) FROM chunk WHERE hash > ?1 ORDER BY hash LIMIT ?2",
        )?;
        let after = after.map_or(&[][..], |hash| &hash.0);
        let rows =
            query.query_map(params![after, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(Vec<u8>, i64)> = rows.collect::<Result<_, _>>()?;
        let whole = rows.into_iter().filter_map(|(hash, len)| {
            Some((ChunkHash(hash.try_into().ok()?), usize::try_from(len).ok()?))
        });
        Ok(whole.collect())
    }
}

/// Keeps a chunk, instead of what stood under its hash: that may be damaged.
pub(super) fn keep(transaction: &Transaction<'_>, chunk: &Chunk) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO chunk (hash, bytes) VALUES (?1, ?2)";
    let mut insert = transaction.prepare_cached(insert)?;
    insert.execute(params![chunk.hash().0, chunk.bytes()]).map(drop)
}

/// The bytes of a chunk as they stand; none where it is not kept.
pub(super) fn bytes(transaction: &Transaction<'_>, hash: &ChunkHash) -> rusqlite::Result<Vec<u8>> {
    let mut query = transaction.prepare_cached("SELECT bytes FROM chunk WHERE hash = ?1")?;
    let bytes = query.query_row([&hash.0[..]], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    Ok(bytes.unwrap_or_default())
}

/// Drops chunks; the room that they took is used again.
pub(super) fn drop_all(
    transaction: &Transaction<'_>,
    hashes: &[ChunkHash],
) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached("DELETE FROM chunk WHERE hash = ?1")?;
    hashes.iter().try_for_each(|hash| delete.execute([&hash.0[..]]).map(drop))
}
