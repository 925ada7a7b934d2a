//! Rows of which few make a file of several parts.

use serde_json::json;

/// The data of record `n`: more than `bytes` bytes, which cannot be compressed.
pub fn incompressible(n: u64, bytes: usize) -> String {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let digits: String = (0..bytes / 16)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("{state:016x}")
        })
        .collect();
    json!({"n": n, "text": digits}).to_string()
}
