//! The text of a row's `_airbyte_meta`: the sync, and what was changed to make the row's values fit.
//!
//! Its form is that of Airbyte's destinations: `{"sync_id":1,"changes":[{"field":"a","change":"NULLED","reason":"…"}]}`. Changes that the
//! source reported come first, as it wrote them.

use super::json::Json;
use super::notes::Notes;

/// Writes such texts for the rows of a sync.
pub struct MetaWriter {
    begin: Vec<u8>,
}

impl MetaWriter {
    /// For the sync `sync_id`.
    pub fn new(sync_id: i64) -> Self {
        Self { begin: format!(r#"{{"sync_id":{sync_id},"changes":["#).into_bytes() }
    }

    /// Appends the text of a row: `source` is the JSON text of the record's own `meta`, empty where it has none.
    pub fn append(&self, source: &[u8], notes: &Notes, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.begin);
        let begin = out.len();
        if !source.is_empty() {
            append_changes(source, out);
        }
        for (field, misfit) in notes.changes() {
            if out.len() > begin {
                out.push(b',');
            }
            let (change, reason) = misfit.words();
            // A JSON value escapes what has to be escaped in a name.
            let field = serde_json::Value::from(field);
            let change = format!(r#"{{"field":{field},"change":"{change}","reason":"{reason}"}}"#);
            out.extend_from_slice(change.as_bytes());
        }
        out.extend_from_slice(b"]}");
    }
}

/// Appends the items of the list `changes` in the object `meta`; of any other text, nothing.
fn append_changes(meta: &[u8], out: &mut Vec<u8>) {
    let mut json = Json::new(meta);
    let (begin, mut is_first, mut memory) = (out.len(), true, Vec::new());
    if !json.eat(b'{') {
        return;
    }
    while let Ok(Some(key)) = json.key(&mut is_first) {
        if key.decoded(&mut memory) != b"changes" || !json.eat(b'[') {
            if json.skip().is_err() {
                return;
            }
            continue;
        }
        // The last of several such keys counts.
        out.truncate(begin);
        let mut is_first = true;
        while let Ok(true) = json.item(&mut is_first) {
            let Ok(change) = json.skip() else { return };
            if out.len() > begin {
                out.push(b',');
            }
            change.append_to(out);
        }
    }
}
